// What the page asks of the server.

export class Refused extends Error {}

async function answer(path, options) {
  const response = await fetch(path, { credentials: "same-origin", ...options });
  if (!response.ok) throw Object.assign(new Refused((await response.text()).trim()), { status: response.status });
  return response;
}

const query = (values) => new URLSearchParams(Object.entries(values).filter(([, value]) => value !== "" && value !== null));

export const get = async (path, values = {}) => (await answer(`/api/${path}?${query(values)}`)).json();

export const post = async (path, body = {}) =>
  (await answer(`/api/${path}`, {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
  })).json();

// The curve of a stored spectrum, or of a FLUXCALIB variant, which the server requests from the archive.
export async function flux(number, fluxcalib = null) {
  const response = await answer(`/api/flux/${number}?${query({ fluxcalib })}`);
  const buffer = await response.arrayBuffer();
  const [points, segments] = new Uint32Array(buffer, 0, 2);
  const lengths = [...new Uint32Array(buffer, 8, segments)];
  const start = Math.ceil((8 + 4 * segments) / 8) * 8;
  return {
    lengths,
    wave: new Float64Array(buffer, start, points),
    flux: new Float64Array(buffer, start + 8 * points, points),
    label: response.headers.get("X-Flux-Label") ?? "",
  };
}

// Server-sent events by name.
export function listen(handlers) {
  const source = new EventSource("/live");
  for (const [name, handler] of Object.entries(handlers)) {
    source.addEventListener(name, (event) => handler(JSON.parse(event.data)));
  }
  // It tries again by itself, but for a server that refuses it: one that was started again has another token.
  source.addEventListener("error", () => handlers.lost?.(source.readyState === EventSource.CLOSED));
  source.addEventListener("open", () => handlers.found?.());
  return source;
}
