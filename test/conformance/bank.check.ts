import { checkBank } from '../clients/bank.ts';

/* The bank of `test/clients/bank.ts` for five minutes. */

checkBank(300);
