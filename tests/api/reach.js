// Asks a URL again and again, as a Node program does; prints who answered how often, as JSON.
//
//   node reach.js URL REQUESTS

// The body of a reply, through Node's own client.
async function getByNode(url) {
  const http = require("node:http");
  return new Promise((resolve, reject) => {
    const request = http.get(url, (reply) => {
      let body = "";
      reply.on("data", (chunk) => (body += chunk));
      reply.on("end", () => resolve(body));
    });
    request.on("error", reject);
  });
}

// axios where it is installed, and what it is called.
function client() {
  try {
    const axios = require("axios");
    return ["axios", async (url) => (await axios.get(url, { timeout: 5000 })).data];
  } catch (error) {
    if (error.code !== "MODULE_NOT_FOUND") throw error;
    return ["node:http", getByNode];
  }
}

async function main() {
  const [url, requests] = [process.argv[2], Number(process.argv[3])];
  const [through, get] = client();
  const counts = {};
  for (let i = 0; i < requests; i++) {
    const who = await get(url);
    counts[who] = (counts[who] ?? 0) + 1;
  }
  console.log(JSON.stringify({ through, counts }));
}

main();
