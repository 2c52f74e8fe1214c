// Other tabs with the same page: what one of them sends, no other one touches.

const ANSWERS_WITHIN = 150;

export class Tabs {
  #channel = null;
  #asked = new Map();

  // `mine()`: the keys of what this tab sends.
  constructor(mine, Channel = globalThis.BroadcastChannel) {
    if (!Channel) return;
    this.#channel = new Channel("telestore-app");
    this.#channel.onmessage = ({ data }) => {
      if (data.question) this.#channel.postMessage({ answer: data.question, keys: [...mine()] });
      else this.#asked.get(data.answer)?.push(...data.keys);
    };
  }

  // The keys of what the others send.
  async others() {
    if (!this.#channel) return new Set();
    const question = `${Date.now()} ${Math.random()}`;
    const keys = [];
    this.#asked.set(question, keys);
    this.#channel.postMessage({ question });
    await new Promise((resolve) => setTimeout(resolve, ANSWERS_WITHIN));
    this.#asked.delete(question);
    return new Set(keys);
  }
}
