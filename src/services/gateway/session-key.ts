/** The key of the MACs over copies of sessions: in the state directory, which the processes of a service share. */
import path from 'node:path';
import { openSecretKey } from '../secret-file.ts';

export async function openSessionKey(stateDirectory: string): Promise<Buffer> {
  if (stateDirectory === '')
    throw new Error('stateDirectory is empty, and the key of session copies is kept there');
  return await openSecretKey(path.join(stateDirectory, 'sessions', 'copy-key'));
}
