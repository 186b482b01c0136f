// Takes pictures of pages. Chromium now and then cannot take one while much else is going on, and can a moment later.

/** `page.screenshot(options)`, tried three times where Chromium says that it cannot capture it. */
export async function screenshot(page, options) {
  for (let tried = 1; ; tried += 1) {
    try {
      return await page.screenshot(options);
    } catch (error) {
      if (tried === 3 || !String(error.message).includes("Unable to capture screenshot")) throw error;
      await new Promise((resolve) => setTimeout(resolve, 1000 * tried));
    }
  }
}
