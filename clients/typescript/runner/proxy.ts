// A TCP proxy in front of a server. It counts bytes, and its connections can be cut.
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";

export class Proxy {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  /** The bytes from clients so far. */
  bytes = 0;
  /** Whether new connections end at once. Meanwhile no other program can have the port. */
  refusing = false;
  /** The connections that ended so. */
  refused = 0;

  /** Without a target, the proxy accepts connections and stays silent. */
  constructor(target?: string) {
    this.#server = createServer((client) => {
      this.#keep(client);
      if (this.refusing) {
        this.refused += 1;
        client.destroy();
        return;
      }
      client.on("data", (chunk) => (this.bytes += chunk.length));
      if (target === undefined) return;
      const end = target.lastIndexOf(":");
      const server = connect(Number(target.slice(end + 1)), target.slice(0, end));
      this.#keep(server);
      client.pipe(server).pipe(client);
    });
  }

  /** Listens on a free port, and returns the port. */
  async listen(): Promise<number> {
    await new Promise<void>((done) => this.#server.listen(0, "127.0.0.1", done));
    return (this.#server.address() as AddressInfo).port;
  }

  /** Ends all connections. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  close(): void {
    this.cut();
    this.#server.close();
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on("error", () => socket.destroy());
    socket.on("close", () => this.#sockets.delete(socket));
  }
}
