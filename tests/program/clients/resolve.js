// Resolves names of the example as a Node program does; prints what it found as JSON.

const dns = require("node:dns").promises;

// The code of the error that a promise is rejected with.
const code = (promise) => promise.then(() => "no error", (error) => error.code);

async function main() {
  const found = { lookup: [], resolve4: [] };
  for (let i = 0; i < 40; i++) {
    const all = await dns.lookup("api.production.local", { all: true, verbatim: true });
    found.lookup.push(all.map(({ address }) => address));
    found.resolve4.push(await dns.resolve4("api.production.local"));
  }
  found["lookup one"] = (await dns.lookup("api.production.local")).address;
  found.resolve6 = await dns.resolve6("web.production.local");
  const targets = await dns.resolveSrv("grpc-api.production.local");
  found.resolveSrv = targets
    .map(({ name, port, priority, weight }) => ({ name, port, priority, weight }))
    .sort((a, b) => a.name.localeCompare(b.name));
  found.resolveCname = await dns.resolveCname("docs.production.local");
  found.nobody = await code(dns.resolve4("nobody.production.local"));
  found["other type"] = await code(dns.resolve6("api.production.local"));
  console.log(JSON.stringify(found));
}

main();
