/** The user's own styles, kept by the browser under their names: the bytes of style files. */

const NAME = "influ";
const STORE = "styles";

function open(): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(NAME, 1);
    request.onupgradeneeded = () => request.result.createObjectStore(STORE);
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

async function run<T>(mode: IDBTransactionMode, act: (store: IDBObjectStore) => IDBRequest<T>): Promise<T> {
  const database = await open();
  try {
    return await new Promise<T>((resolve, reject) => {
      const transaction = database.transaction(STORE, mode);
      const request = act(transaction.objectStore(STORE));
      transaction.oncomplete = () => resolve(request.result);
      transaction.onerror = transaction.onabort = () => reject(transaction.error);
    });
  } finally {
    database.close();
  }
}

export async function keptStyles(): Promise<{ key: string; file: Uint8Array }[]> {
  const keys = await run("readonly", (store) => store.getAllKeys());
  const files = await run("readonly", (store) => store.getAll());
  return keys.map((key, index) => ({ key: String(key), file: files[index] as Uint8Array }));
}

export async function keepStyle(key: string, file: Uint8Array): Promise<void> {
  await run("readwrite", (store) => store.put(file, key));
}

export async function forgetStyle(key: string): Promise<void> {
  await run("readwrite", (store) => store.delete(key));
}
