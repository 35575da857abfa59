// Sends one event of each kind with @snowplow/node-tracker and prints their ids: node node_tracker.mjs URL get|post
import { newTracker, buildPageView, buildSelfDescribingEvent, buildStructEvent } from '@snowplow/node-tracker';

const [url, method] = process.argv.slice(2);
const requests = [];
const tracker = newTracker(
  { namespace: 'node', appId: 'journey', encodeBase64: method === 'get' },
  {
    endpoint: url,
    eventMethod: method,
    bufferSize: 1,
    onRequestFailure: (failure) => requests.push(`failure ${failure.status}`),
    onRequestSuccess: () => requests.push('success'),
  },
);
tracker.setUserId('ünï user');
tracker.setNetworkUserId('11111111-1111-4111-8111-111111111111');

const page = { schema: 'iglu:com.snowplowanalytics.snowplow/web_page/jsonschema/1-0-0', data: { id: '6f6b3a5c-7d2e-4b8a-9c1d-0e1f2a3b4c5d' } };
const ids = {
  page_view: tracker.track(buildPageView({ pageUrl: 'https://shop.example/a?b=c', pageTitle: 'A "page" ☃' }), [page]).eid,
  struct: tracker.track(buildStructEvent({ category: 'shop', action: 'add', label: 'mug', property: 'blue', value: 8.5 })).eid,
  link_click: tracker.track(
    buildSelfDescribingEvent({
      event: {
        schema: 'iglu:com.snowplowanalytics.snowplow/link_click/jsonschema/1-0-1',
        data: { targetUrl: 'https://shop.example/next', elementClasses: ['one', 'two'] },
      },
    }),
    [page],
  ).eid,
};
await tracker.flush();
const deadline = Date.now() + 15000;
while (requests.filter((request) => request === 'success').length < 1 && Date.now() < deadline) {
  await new Promise((resolve) => setTimeout(resolve, 50));
}
await new Promise((resolve) => setTimeout(resolve, 500));
console.log(JSON.stringify({ ids, requests }));
