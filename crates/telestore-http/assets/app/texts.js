// Every word of the page that is not in index.html. Names come in as they may be shown (`shown` of format.js).

const files = (count) => (count === 1 ? "1 file" : `${count} files`);

export const TEXTS = {
  // Access.
  tokenNeeded: "Enter the token first.",
  tokenChecking: "Checking the token…",
  tokenUnknown: "The worker does not take this token. Check that it is whole and has not run out, then enter it again.",
  tokenUnreachable: "The worker does not answer at the moment. Check the connection, then try again.",
  tokenLater: "The worker cannot check the token now. Try again in a moment.",
  tokenRefused: (words) => `The worker cannot check the token now: ${words}`,
  signOutAsks: "Signing out stops what is on its way, and this browser forgets the list. Sign out?",
  signedOut: "Signed out.",

  // What is added.
  added: (count) => `${files(count)} added.`,
  alreadyThere: (count) => `${files(count)} in the list already.`,
  leftOut: (count) => `${files(count)} of the system (such as .DS_Store) left out.`,
  unreadable: (count) => `${files(count)} could not be read, and ${count === 1 ? "is" : "are"} not in the list.`,
  nothingFound: "There was no file in it.",
  limit: (size) => `Files up to ${size}.`,
  badTopic: "A topic is a whole number from 1 on: the last one in its link.",

  // The whole.
  whole: (done, all) => `${done} of ${files(all)} in the channel`,
  wholeBytes: (there, all) => `${there} of ${all} at the worker`,
  failures: (count) => `${files(count)} failed`,
  mayClose: "The worker has everything: this page may be closed, and the files still arrive.",
  choosesAgain: "Choose the same files again, and they go on where they were.",
  pauseAll: "Pause all",
  resumeAll: "Resume all",
  more: (count) => `${files(count)} more, waiting.`,
  title: (percent) => `${percent} % · TeleStore`,
  titleAtRest: "Files · TeleStore",

  // States of a file.
  waiting: "Waiting",
  beginning: "Starting",
  toWorker: (details) => ["To the worker", ...details].join(" · "),
  toTelegram: (details) => ["To Telegram", ...details].join(" · "),
  toTelegramAgain: (seconds) => `goes on in ${seconds}`,
  attempt: (number) => `attempt ${number}`,
  stages: {
    queued: "waiting for its turn",
    connecting: "connecting",
    resolving: "finding the channel",
    sending: "",
    finishing: "making the message",
    done: "making the message",
  },
  percent: (percent) => `${percent} %`,
  left: (time) => `${time} left`,
  paused: (percent) => `Paused at ${percent} %`,
  missing: (percent) => `${percent} % is at the worker. Choose this file again to go on.`,
  again: (words, seconds) => `${words} Trying again ${seconds > 0 ? `in ${seconds} s` : "now"}.`,
  asking: "The worker does not answer at the moment. Once it is there again, it goes on with the file.",
  sent: "In the channel",
  sentAs: (message) => `In the channel as message ${message}`,
  skipped: "chosen again, not sent again",
  cancelled: "Cancelled",
  cancelling: "Cancelling",
  tooLateToCancel: "It was in the channel already.",
  open: "Open",

  // What can be done with a file.
  pause: "Pause",
  resume: "Resume",
  cancel: "Cancel",
  remove: "Remove",
  tryAgain: "Try again",
  tryNow: "Try now",
  sendAgain: "Send again",
  forget: "Forget",
  actionFor: (action, name) => `${action}: ${name}`,
  barFor: (name) => `Progress of ${name}`,

  // Errors, each with what to do.
  empty: "The file is empty, and Telegram takes no empty files.",
  tooLarge: (most) => `The file is larger than the ${most} that this worker takes. Split it, or ask the operator for a higher limit.`,
  tooLargeFor: (words) => `The file is too large: ${words}`,
  tooLargeBetween:
    "Something between this browser and the worker, such as a proxy, takes no bodies of this size. Ask the operator to raise its limit.",
  changed: "The file was changed, moved or deleted since it was chosen. Choose it again.",
  unreachable: "The worker does not answer.",
  busy: "The worker is still busy with this upload.",
  stopped: (status) => `The worker cannot take it now (status ${status}).`,
  refused: (status) => `The worker refused the file (status ${status}).`,
  forbidden: (words) => `The worker does not let this token send the file: ${words}`,
  gone: "The worker had the whole file, and no longer knows of it. Look into the channel, and send it again only if it is not there.",
  keepsForgetting: "The worker forgets the upload again and again. Try again later, or ask the operator.",
  noTus: "This address has no uploads that can be resumed (/tus). Is the page served by an older worker?",
  elsewhere: "Another tab of this browser is sending this file. Close that tab, then try again.",
  cancelFailed: (words) => `The file could not be cancelled at the worker: ${words} Try again.`,
  badAnswer: "What answers is no worker, or a proxy whose worker is away.",

  // What is in the channel.
  listing: "Asking the worker…",
  found: (count, more, query) => {
    if (!query) return count ? (more ? `The newest ${files(count)}` : files(count)) : "There is no file in the channel yet.";
    if (!count) return `No file has “${query}” in its name.`;
    return `${more ? "The newest " : ""}${files(count)} with “${query}” in the name`;
  },
  moreShown: (count, all) => `${files(count)} more, ${all} in all.`,
  inMessages: (count) => `in ${count} messages`,
  encrypted: "encrypted",
  compressed: "compressed",
  play: "Play",
  show: "Show",
  download: "Download",
  link: "Link",
  delete: "Delete",
  deleted: (name, keeps) => (keeps
    ? `${name} is off the list. Its messages stay in the channel.`
    : `${name} is deleted. Its messages go from the channel now.`),
  wasDeleted: (name) => `${name} was deleted meanwhile.`,
  deleting: "Deleting…",
  linking: "Making the link…",
  linkCopied: (until) => `Copied. Until ${until} it opens the file.`,
  linkShown: (until) => `The browser does not let this page copy it: copy it from the field. Until ${until} it opens the file.`,
  opening: "Asking the worker for the file…",
  cannot: {
    video: "This browser cannot play this kind of video. Download it, and open it with a player.",
    audio: "This browser cannot play this kind of audio. Download it, and open it with a player.",
    image: "This browser cannot show this kind of picture. Download it, and open it with a viewer.",
  },
  playStops: "It stops again and again. Try again later, or download it.",

  // Errors about files in the channel, each with what to do.
  unreachableNow: "The worker does not answer. Check the connection, then try again.",
  noWords: (status) => `What answers is no worker that has files, or a proxy whose worker is away (status ${status}). Try again later, or ask the operator.`,
  linkOver: "The link is not valid any more. Try again.",
  notListed: "The worker does not know this file any more. It may have been deleted elsewhere.",
  notReadable: (words) => `The worker cannot read it back: ${words} Open it in Telegram, or ask the operator.`,
  notThere: (words) => `It cannot be read back any more: ${words} Delete it here to take it off the list.`,
  notDeleted: (words) => `${words} Nothing is deleted.`,
  later: (words, time) => `${words} Try again ${time ? `in ${time}` : "in a moment"}.`,

  // What is said aloud.
  saysDownloads: (name) => `The browser downloads ${name}.`,
  saysSent: (name) => `${name} is in the channel.`,
  saysFailed: (name, why) => `${name} failed. ${why}`,
  saysAll: (sent, failed) => (failed ? `Done: ${files(sent)} in the channel, ${files(failed)} failed.` : `All done: ${files(sent)} in the channel.`),
  saysCancelled: (name) => `${name} was cancelled.`,
  saysPaused: (name) => `${name} is paused.`,
  saysResumed: (name) => `${name} goes on.`,
  saysMany: (count) => `and ${count} more.`,
};
