// The conformance runner: reads the servers file, runs one mode, prints JSON lines.

package io.leadchat.inbox.conformance;

import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.logging.Level;
import java.util.logging.Logger;

/** Usage: Main MODE SERVERS_FILE CASES_FILE. */
final class Main {
  private static final PrintStream OUT =
      new PrintStream(new FileOutputStream(FileDescriptor.out), true, StandardCharsets.UTF_8);

  // Loggers live as long as they are referred to.
  private static final Logger GRPC = Logger.getLogger("io.grpc");

  private Main() {}

  public static void main(String[] arguments) throws Exception {
    // gRPC warns of each Unix socket, which has no SO_KEEPALIVE.
    GRPC.setLevel(Level.SEVERE);
    Servers servers = new Servers(read(arguments[1]));
    switch (arguments[0]) {
      case "cases":
        new Cases(servers).run(read(arguments[2]));
        break;
      case "replicas":
        new ReplicasMode(servers).run();
        break;
      case "idioms":
        new Idioms(servers).run();
        break;
      case "watch":
        new WatchMode(servers).run();
        break;
      default:
        System.err.println("the mode is none of cases, replicas, idioms, watch");
        System.exit(2);
    }
  }

  static void print(JsonObject line) {
    OUT.println(line);
  }

  /** Prints that the runner has come so far. */
  static void printReached(String name) {
    JsonObject line = new JsonObject();
    line.addProperty(name, true);
    print(line);
  }

  /** Prints the outcome of a check; the problem is null if there is none. */
  static void print(String name, String endpoint, String problem) {
    JsonObject line = new JsonObject();
    line.addProperty("case", name);
    line.addProperty("endpoint", endpoint);
    line.addProperty("ok", problem == null);
    if (problem != null) {
      line.addProperty("problem", problem);
    }
    print(line);
  }

  private static JsonObject read(String file) throws IOException {
    return JsonParser.parseString(Files.readString(Path.of(file))).getAsJsonObject();
  }
}
