import pmx from './index.js';

export const {custom, PmxError} = pmx;
export default pmx;
