// The pictures of the README: the page in the middle of its work, light, dark and narrow.

import { line } from "./stage.mjs";

const MIB = 1024 * 1024;

export async function screenshots({ browser, worker, channel, files, token, directory }) {
  const page = await browser.page(worker.url);
  browser.expected.push("404");
  await channel.put("network", { bandwidth: 4 * MIB });
  await page.setViewportSize({ width: 760, height: 700 });
  await page.goto(`${worker.url}/app`);
  await page.locator("#token").fill(token);
  await page.locator("#token-use").click();
  await page.locator("#access").waitFor({ state: "hidden" });
  await page.locator("#files").setInputFiles([files.make("boarding pass.pdf", 400_000), files.make("notes.txt", 9_000)]);
  await page.waitForFunction(() => document.querySelectorAll("#list > li[data-state=sent]").length === 2);
  await page.locator("#folder").setInputFiles(folder(files));
  await page.waitForFunction(() => document.querySelectorAll("#list > li[data-state=sending]").length === 1);
  await line(page, 7 * MIB);
  await page.locator("#files").setInputFiles([files.make("sunset over the bay.mp4", 50 * MIB), files.make("interview.wav", 24 * MIB)]);
  const moving = (state, least) => page.waitForFunction(([state, least]) =>
    [...document.querySelectorAll(`#list > li[data-state=${state}] progress`)].some((bar) => bar.value >= least), [state, least]);
  await moving("uploading", 25);
  await moving("sending", 20);
  await page.evaluate(() => document.activeElement?.blur());
  for (const [name, scheme, width] of [["app-light", "light", 760], ["app-dark", "dark", 760], ["app-narrow", "light", 320]]) {
    await page.emulateMedia({ colorScheme: scheme, reducedMotion: "reduce" });
    await page.setViewportSize({ width, height: 700 });
    await page.screenshot({ path: `${directory}/${name}.png`, fullPage: true });
  }
}

function folder(files) {
  files.make("summer/lake.mov", 40 * MIB);
  return `${files.dir}/summer`;
}
