/** Before every id there is: where a walk in their order begins. */
export const NIL_ID = '00000000-0000-0000-0000-000000000000'
