/**
 * Password hashes by scrypt in the PHC string format: `$scrypt$ln=15,r=8,p=3$<salt>$<hash>`. The cost is read from
 * the hash when verifying, so raising it later leaves old accounts able to log in.
 */
import { type ScryptOptions, scrypt, timingSafeEqual } from 'node:crypto';
import type { PasswordDesign } from '../design.ts';
import { type Random, ServiceError } from '../ports.ts';
import { createAdmission } from './admission.ts';
import type { Passwords } from './contract.ts';

const saltBytes = 16;
const hashBytes = 32;

const derive = (password: string, salt: Buffer, length: number, options: ScryptOptions) =>
  new Promise<Buffer>((resolve, reject) => {
    scrypt(password.normalize('NFKC'), salt, length, options, (error, key) =>
      error ? reject(error) : resolve(key),
    );
  });

const scryptOptions = (cost: number, blockSize: number, parallelization: number) => ({
  cost,
  blockSize,
  parallelization,
  maxmem: 2 * 128 * cost * blockSize,
});

export async function hashPassword(
  password: string,
  salt: Buffer,
  design: PasswordDesign,
): Promise<string> {
  const { cost, blockSize, parallelization } = design;
  const options = scryptOptions(cost, blockSize, parallelization);
  const hash = await derive(password, salt, hashBytes, options);
  const parameters = `ln=${Math.log2(cost)},r=${blockSize},p=${parallelization}`;
  return `$scrypt$${parameters}$${salt.toString('base64url')}$${hash.toString('base64url')}`;
}

async function verifyPassword(password: string, phc: string): Promise<boolean> {
  const match = /^\$scrypt\$ln=(\d{1,2}),r=(\d{1,2}),p=(\d{1,2})\$([\w-]{16,})\$([\w-]{40,})$/.exec(
    phc,
  );
  if (!match) throw new Error('stored password hash is not in the scrypt PHC format');
  const options = scryptOptions(2 ** Number(match[1]), Number(match[2]), Number(match[3]));
  const expected = Buffer.from(match[5]!, 'base64url');
  const salt = Buffer.from(match[4]!, 'base64url');
  return timingSafeEqual(await derive(password, salt, expected.length, options), expected);
}

export function createPasswords(given: { design: PasswordDesign; random: Random }): Passwords {
  const { design, random } = given;
  const admission = createAdmission(design);
  // No password has this hash; verifying against it costs what verifying against a real one costs.
  const { cost, blockSize, parallelization } = design;
  const nobody = `$scrypt$ln=${Math.log2(cost)},r=${blockSize},p=${parallelization}$${'A'.repeat(22)}$${'A'.repeat(43)}`;

  const admitted = async <T>(work: () => Promise<T>): Promise<T> => {
    const result = await admission.run(work);
    if (result !== undefined) return result;
    throw new ServiceError({
      status: 503,
      code: 'login-busy',
      detail: 'Too many logins at once. Try again shortly.',
      headers: { 'retry-after': '2' },
    });
  };

  return {
    hash: (password) => admitted(() => hashPassword(password, random.bytes(saltBytes), design)),
    verify: (password, hash) =>
      admitted(async () => (await verifyPassword(password, hash ?? nobody)) && hash !== null),
  };
}
