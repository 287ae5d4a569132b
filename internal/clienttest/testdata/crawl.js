// Goes through the page as a visitor. Each line of the input is a tour in JSON, and
// gets a line of JSON with what was met on it. All tours are made in one browser.
"use strict";
const readline = require("node:readline");
const { launch, problems } = require("./browser.js");
const { Tour } = require("./tour.js");

(async () => {
  const browser = await launch(process.argv[2]);
  for await (const line of readline.createInterface({ input: process.stdin })) {
    problems.length = 0;
    const tour = new Tour(browser, JSON.parse(line));
    try {
      await tour.run();
    } catch (error) {
      problems.push(`${tour.address}: ${error.stack}`);
    }
    await tour.context?.close();
    console.log(JSON.stringify({ visited: [...tour.good].sort(), looked: tour.looked.size, clicked: [...tour.clicked].sort(), problems }));
  }
  await browser.close();
})().catch((error) => { console.error(error); process.exit(1); });
