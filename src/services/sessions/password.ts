/**
 * Password hashes by scrypt in the PHC string format: `$scrypt$ln=15,r=8,p=3$<salt>$<hash>`. The cost is read from
 * the hash when verifying, so raising it later leaves old accounts able to log in.
 */
import { timingSafeEqual } from 'node:crypto';
import type { PasswordDesign } from '../design.ts';
import { type Random, ServiceError } from '../ports.ts';
import { createAdmission } from './admission.ts';
import type { Passwords } from './contract.ts';
import { type Deriver, onThreads } from './derivation.ts';
import { createHashProcess } from './hash-client.ts';

const saltBytes = 16;
const hashBytes = 32;

export async function hashPassword(
  password: string,
  salt: Buffer,
  { cost, blockSize, parallelization }: PasswordDesign,
  { derive }: Deriver = onThreads,
): Promise<string> {
  const hash = await derive({
    ...{ password, salt, length: hashBytes, cost, blockSize, parallelization },
  });
  const parameters = `ln=${Math.log2(cost)},r=${blockSize},p=${parallelization}`;
  return `$scrypt$${parameters}$${salt.toString('base64url')}$${hash.toString('base64url')}`;
}

async function verifyPassword(
  password: string,
  phc: string,
  { derive }: Deriver,
): Promise<boolean> {
  const match = /^\$scrypt\$ln=(\d{1,2}),r=(\d{1,2}),p=(\d{1,2})\$([\w-]{16,})\$([\w-]{40,})$/.exec(
    phc,
  );
  if (!match) throw new Error('stored password hash is not in the scrypt PHC format');
  const expected = Buffer.from(match[5]!, 'base64url');
  const hash = await derive({
    password,
    salt: Buffer.from(match[4]!, 'base64url'),
    length: expected.length,
    cost: 2 ** Number(match[1]),
    blockSize: Number(match[2]),
    parallelization: Number(match[3]),
  });
  return timingSafeEqual(hash, expected);
}

export function createPasswords(given: { design: PasswordDesign; random: Random }): Passwords {
  const { design, random } = given;
  const admission = createAdmission(design);
  const hashing = design.hashing === 'process' ? createHashProcess() : onThreads;
  const deriver: Deriver = {
    ...hashing,
    // The next password starts another process.
    derive: (given) =>
      hashing.derive(given).catch((cause) => {
        throw unavailable('hashing-failed', 'The password could not be checked.', cause);
      }),
  };
  // No password has this hash; verifying against it costs what verifying against a real one costs.
  const { cost, blockSize, parallelization } = design;
  const nobody = `$scrypt$ln=${Math.log2(cost)},r=${blockSize},p=${parallelization}$${'A'.repeat(22)}$${'A'.repeat(43)}`;

  const admitted = async <T>(work: () => Promise<T>): Promise<T> => {
    const result = await admission.run(work);
    if (result !== undefined) return result;
    throw unavailable('login-busy', 'Too many logins at once. Try again shortly.');
  };

  return {
    hash: (password) =>
      admitted(() => hashPassword(password, random.bytes(saltBytes), design, deriver)),
    verify: (password, hash) =>
      admitted(
        async () => (await verifyPassword(password, hash ?? nobody, deriver)) && hash !== null,
      ),
    close: () => deriver.close(),
  };
}

const unavailable = (code: string, detail: string, cause?: unknown) =>
  new ServiceError({ status: 503, code, detail, headers: { 'retry-after': '2' } }, { cause });
