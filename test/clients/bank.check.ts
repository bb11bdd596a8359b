import { checkBank } from './bank.ts';

/* The bank of `test/clients/bank.ts`, for as long as fits into every run of the checks. `test/conformance` has it for long. */

checkBank(30);
