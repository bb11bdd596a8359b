declare const flavor: unique symbol;

/**
 * A nominal flavour of `T`: a plain `T` may be given where `Flavor<T, 'X'>` is wanted, but one flavour may not be
 * given for another. It keeps an offset from being passed as a producer id without casts at every border.
 */
export type Flavor<T, Name extends string> = T & { readonly [flavor]?: Name };
