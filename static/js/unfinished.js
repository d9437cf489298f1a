// Addresses of uploads in pieces that have not ended, so that a reload need not begin them anew.
// In this tab alone, and not across a sign-out.

const STORE = "unfinished";

export class Unfinished {
  constructor(session) {
    this.session = session;
  }

  get count() {
    return Object.keys(this.all()).length;
  }

  // What remembers the address of one file's upload; another file, or other fields, has another.
  of(file, fields) {
    const key = JSON.stringify([file.size, file.lastModified, fields]);
    return {
      recall: () => this.all()[key] ?? null,
      keep: (address) => this.write({ ...this.all(), [key]: address }),
      forget: () => {
        const { [key]: gone, ...others } = this.all();
        if (gone) this.write(others);
      },
    };
  }

  all() {
    const { session, addresses } = JSON.parse(sessionStorage.getItem(STORE) ?? "{}");
    return session === this.session ? addresses : {};
  }

  write(addresses) {
    sessionStorage.setItem(STORE, JSON.stringify({ session: this.session, addresses }));
  }
}
