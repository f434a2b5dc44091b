/** Projects over HTTP: list, create, read. */
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

const projectPage: JsonSchema = {
  type: 'object',
  required: ['items', 'next'],
  properties: {
    items: { type: 'array', items: project },
    next: { type: 'string', nullable: true, description: 'Cursor of the next page.' },
  },
};

export function projectRoutes(projects: Projects): readonly Route[] {
  return [
    {
      method: 'GET',
      url: '/projects',
      summary: 'List your projects, newest first',
      access: 'session',
      action: 'project.list',
      resourceType: 'project',
      query: {
        type: 'object',
        additionalProperties: false,
        properties: {
          cursor: { type: 'string', format: 'uuid' },
          limit: { type: 'integer', minimum: 1, maximum: 100, default: 20 },
        },
      },
      answers: { 200: projectPage },
      async handle({ userId, query }) {
        const cursor = (query.cursor as string | undefined) ?? null;
        const page = await projects.list(userId, { cursor, limit: Number(query.limit) });
        return { status: 200, body: { ...page } };
      },
    },
    {
      method: 'POST',
      url: '/projects',
      summary: 'Create a project',
      access: 'session',
      action: 'project.create',
      resourceType: 'project',
      body: {
        type: 'object',
        required: ['name'],
        additionalProperties: false,
        // PostgreSQL text cannot hold U+0000.
        properties: {
          name: { type: 'string', minLength: 1, maxLength: 200, pattern: '^[^\\u0000]*$' },
        },
      },
      answers: { 201: project },
      async handle({ userId, body, trail }) {
        const created = await projects.create(userId, body.name as string);
        trail.resourceId = created.id;
        return { status: 201, body: { ...created } };
      },
    },
    {
      method: 'GET',
      url: '/projects/:id',
      summary: 'Read one of your projects',
      access: 'session',
      action: 'project.read',
      resourceType: 'project',
      params: {
        type: 'object',
        required: ['id'],
        properties: { id: { type: 'string', format: 'uuid' } },
      },
      answers: { 200: project },
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
