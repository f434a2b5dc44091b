/** Projects over HTTP: list, create, search, read. */
import { ServiceError } from '../ports.ts';
import type { JsonSchema, Route } from '../route.ts';
import type { Projects } from './contract.ts';

const project: JsonSchema = {
  type: 'object',
  required: ['id', 'name', 'createdAt'],
  properties: {
    id: { type: 'string', format: 'uuid' },
    name: { type: 'string' },
    createdAt: { type: 'string', format: 'date-time' },
  },
};

// PostgreSQL text cannot hold U+0000.
const name: JsonSchema = {
  type: 'string',
  minLength: 1,
  maxLength: 200,
  pattern: '^[^\\u0000]*$',
};

const projectPage: JsonSchema = {
  type: 'object',
  required: ['items', 'next'],
  properties: {
    items: { type: 'array', items: project },
    next: { type: 'string', nullable: true, description: 'Cursor of the next page.' },
  },
};

const projectSearchResult: JsonSchema = {
  type: 'object',
  required: ['items', 'total'],
  properties: {
    items: { type: 'array', items: project },
    total: { type: 'integer', description: 'Of all that match; the newest 20 are in `items`.' },
  },
};

const searchRoute = (projects: Projects): Route => ({
  method: 'GET',
  url: '/projects/search',
  summary: 'Find your projects by a part of their names',
  access: 'session-or-key',
  // Reads all of the owner's projects, so it takes more of the limits than a page does.
  routeClass: 'search',
  action: 'project.search',
  resourceType: 'project',
  onAuditDown: 'local-log',
  query: {
    type: 'object',
    required: ['q'],
    additionalProperties: false,
    properties: { q: { ...name, maxLength: 100 } },
  },
  responses: { 200: projectSearchResult },
  async handle({ userId, query }) {
    const found = await projects.search(userId, String(query.q));
    return { status: 200, body: { ...found } };
  },
});

export function projectRoutes(projects: Projects): readonly Route[] {
  return [
    {
      method: 'GET',
      url: '/projects',
      summary: 'List your projects, newest first',
      access: 'session-or-key',
      action: 'project.list',
      resourceType: 'project',
      onAuditDown: 'local-log',
      query: {
        type: 'object',
        additionalProperties: false,
        properties: {
          cursor: { type: 'string', format: 'uuid' },
          limit: { type: 'integer', minimum: 1, maximum: 100, default: 20 },
        },
      },
      responses: { 200: projectPage },
      async handle({ userId, query }) {
        const cursor = (query.cursor as string | undefined) ?? null;
        const page = await projects.list(userId, { cursor, limit: Number(query.limit) });
        return { status: 200, body: { ...page } };
      },
    },
    searchRoute(projects),
    {
      method: 'POST',
      url: '/projects',
      summary: 'Create a project',
      access: 'session-or-key',
      action: 'project.create',
      resourceType: 'project',
      body: {
        type: 'object',
        required: ['name'],
        additionalProperties: false,
        properties: { name },
      },
      responses: { 201: project },
      async handle({ userId, body, auditContext, recordIn }) {
        const created = await projects.create(userId, body.name as string, recordIn);
        auditContext.resourceId = created.id;
        return { status: 201, body: { ...created } };
      },
    },
    {
      method: 'GET',
      url: '/projects/:id',
      summary: 'Read one of your projects',
      access: 'session-or-key',
      action: 'project.read',
      resourceType: 'project',
      onAuditDown: 'local-log',
      params: {
        type: 'object',
        required: ['id'],
        properties: { id: { type: 'string', format: 'uuid' } },
      },
      responses: { 200: project },
      problems: [404],
      async handle({ userId, params }) {
        const found = await projects.find(userId, params.id!);
        if (found) return { status: 200, body: { ...found } };
        throw new ServiceError({
          status: 404,
          code: 'project-not-found',
          detail: 'You have no project with this id.',
        });
      },
    },
  ];
}
