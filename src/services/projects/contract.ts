/**
 * Projects: the small product the platform exists for. Promise: an owner sees all of their own projects and no other
 * owner's; another owner's project is indistinguishable from one that does not exist.
 */

import type { RecordIn } from '../ports.ts';

export interface Project {
  readonly id: string;
  readonly name: string;
  readonly createdAt: string;
}

export interface ProjectPage {
  readonly items: readonly Project[];
  /** The `cursor` of the next page; null on the last one. */
  readonly next: string | null;
}

export interface ProjectSearchResult {
  /** Newest first, at most 20. */
  readonly items: readonly Project[];
  /** All that match. */
  readonly total: number;
}

export interface Projects {
  create(ownerId: string, name: string, recordIn: RecordIn): Promise<Project>;
  /** Null when the owner has no such project. */
  find(ownerId: string, id: string): Promise<Project | null>;
  /** Newest first. `cursor`: the id of the last project already seen. */
  list(ownerId: string, page: { cursor: string | null; limit: number }): Promise<ProjectPage>;
  /** Those of the owner with `text` anywhere in the name, in either case. Reads every project of the owner. */
  search(ownerId: string, text: string): Promise<ProjectSearchResult>;
}
