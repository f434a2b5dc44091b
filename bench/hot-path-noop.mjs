/**
 * The floor of the hot path: a Fastify route that answers what ours answers and does nothing for it. In a process of
 * its own; tells its address over IPC and ends with the channel.
 */
import { fastify } from 'fastify';

const app = fastify();
const text = { type: 'string' };
app.route({
  method: 'GET',
  url: '/session',
  schema: {
    response: { 200: { type: 'object', properties: { userId: text, sessionId: text } } },
  },
  handler: (_request, reply) => {
    reply.send({ userId: '1234', sessionId: 'AAAAAAAAAAAAAAAAAAAAAA' });
  },
});
const url = await app.listen({ host: '127.0.0.1', port: 0 });
process.send?.({ url });
process.on('disconnect', () => process.exit());
