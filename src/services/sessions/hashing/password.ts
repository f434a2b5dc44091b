/**
 * Password hashes by scrypt in the PHC string format: `$scrypt$ln=15,r=8,p=3$<salt>$<hash>`. The cost is read from
 * the hash when verifying, so raising it later leaves old accounts able to log in.
 */
import { timingSafeEqual } from 'node:crypto';
import type { PasswordDesign } from '../../design.ts';
import { type Random, ServiceError } from '../../ports.ts';
import type { Passwords } from '../contract.ts';
import { createAdmission, type Turn } from './admission.ts';
import { type Deriver, threadPoolDeriver } from './derivation.ts';
import { createHashProcess } from './hash-client.ts';

const SALT_BYTES = 16;
const HASH_BYTES = 32;

export async function hashPassword(
  password: string,
  salt: Buffer,
  { cost, blockSize, parallelization }: PasswordDesign,
  { derive }: Deriver = threadPoolDeriver,
): Promise<string> {
  const hash = await derive({
    password,
    salt,
    length: HASH_BYTES,
    cost,
    blockSize,
    parallelization,
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
  const hashing = design.hashing === 'process' ? createHashProcess() : threadPoolDeriver;
  const deriver: Deriver = {
    ...hashing,
    // If the process died, the next call starts another.
    derive: (given) =>
      hashing.derive(given).catch((cause) => {
        throw unavailableError('hashing-failed', 'The password could not be checked.', cause);
      }),
  };
  // Matches no password; verifying against it takes as long as against a real hash.
  const { cost, blockSize, parallelization } = design;
  const dummyHash = `$scrypt$ln=${Math.log2(cost)},r=${blockSize},p=${parallelization}$${'A'.repeat(22)}$${'A'.repeat(43)}`;

  const runAdmitted = async <T>(work: () => Promise<T>, turn?: Turn): Promise<T> => {
    const result = await admission.run(work, turn);
    if (result !== undefined) return result;
    throw unavailableError('login-busy', 'Too many logins at once. Try again shortly.');
  };

  return {
    hash: (password, turn) =>
      runAdmitted(() => hashPassword(password, random.bytes(SALT_BYTES), design, deriver), turn),
    verify: (password, hash, turn) =>
      runAdmitted(
        async () => (await verifyPassword(password, hash ?? dummyHash, deriver)) && hash !== null,
        turn,
      ),
    close: () => deriver.close(),
  };
}

const unavailableError = (code: string, detail: string, cause?: unknown) =>
  new ServiceError({ status: 503, code, detail, headers: { 'retry-after': '2' } }, { cause });
