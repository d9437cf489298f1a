// Which files come: chosen, dropped or out of folders. A folder's names are kept, as text.

const BETWEEN_FOLDERS = " › ";
const LONGEST_NAME = 300; // the end is kept: there stands the file's own name

// Each file with the name it is to be shown under.
export function named(files) {
  return [...files].map((file) => ({ file, name: asText(file.webkitRelativePath || file.name) }));
}

// What was dropped; from folders only images, and how many other files they hold.
export async function dropped(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.some((entry) => entry.isDirectory)) return { found: named(transfer.files), others: 0 };
  const below = [];
  let unreadable = 0;
  const unread = () => (unreadable += 1);
  for (const entry of entries) below.push(...(await filesBelow(entry, unread)));
  return { found: below, others: unreadable };
}

// Files of a folder that this desk may read, by name; hidden ones are nobody's and not counted.
export function imagesOf(files, accept) {
  const kinds = accept.split(",");
  const seen = files.filter(({ file }) => !file.name.startsWith("."));
  const found = seen.filter(({ file }) => isAccepted(file, kinds));
  found.sort((one, other) => one.name.localeCompare(other.name, undefined, { numeric: true }));
  return { found, others: seen.length - found.length };
}

function isAccepted(file, kinds) {
  const name = file.name.toLowerCase();
  return kinds.some((kind) => (kind.startsWith(".") ? name.endsWith(kind) : file.type === kind));
}

async function filesBelow(entry, unread) {
  try {
    if (entry.isFile) {
      const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
      return [{ file, name: asText(entry.fullPath.slice(1)) }];
    }
    const found = [];
    for (const child of await childrenOf(entry)) found.push(...(await filesBelow(child, unread)));
    return found;
  } catch {
    unread(); // one that cannot be read, or is gone: the others come all the same
    return [];
  }
}

async function childrenOf(folder) {
  const reader = folder.createReader();
  const children = [];
  for (;;) {
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) return children;
    children.push(...some);
  }
}

function asText(path) {
  const name = path.split("/").join(BETWEEN_FOLDERS);
  return name.length > LONGEST_NAME ? `…${name.slice(-LONGEST_NAME)}` : name;
}
