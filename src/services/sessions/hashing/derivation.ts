/** scrypt, on this process's thread pool or in a separate process (hash-process.ts). */
import { type ScryptOptions, scrypt, scryptSync } from 'node:crypto';

export interface Derivation {
  readonly password: string;
  readonly salt: Buffer;
  readonly length: number;
  readonly cost: number;
  readonly blockSize: number;
  readonly parallelization: number;
}

export interface Deriver {
  derive(given: Derivation): Promise<Buffer>;
  close(): void;
}

const optionsOf = ({ cost, blockSize, parallelization }: Derivation): ScryptOptions => ({
  cost,
  blockSize,
  parallelization,
  maxmem: 2 * 128 * cost * blockSize,
});

export const deriveSync = (given: Derivation): Buffer =>
  scryptSync(given.password.normalize('NFKC'), given.salt, given.length, optionsOf(given));

export const threadPoolDeriver: Deriver = {
  derive: (given) =>
    new Promise((resolve, reject) => {
      const { password, salt, length } = given;
      scrypt(password.normalize('NFKC'), salt, length, optionsOf(given), (error, key) =>
        error ? reject(error) : resolve(key),
      );
    }),
  close: () => {},
};
