import java.io.BufferedReader;
import java.io.ByteArrayOutputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Base64;
import org.apache.kafka.common.utils.Exit;
import org.apache.kafka.common.utils.LogContext;

/**
 * Runs Apache Kafka's command-line tools one after the other in this JVM, whose start takes longer than most of them.
 * A line of standard input is a main class and its arguments, with tabs between. A line of the answer is "answer", the
 * exit code, and in Base64 what the tool wrote to standard output and to standard error. Ends with standard input.
 */
public final class Main {
  /** In the place of the end of the process. */
  private static final class Exited extends Error {
    final int code;

    Exited(int code) {
      super(null, null, false, false);
      this.code = code;
    }
  }

  public static void main(String[] args) throws Exception {
    PrintStream answers = System.out;
    Exit.setExitProcedure((code, message) -> { throw new Exited(code); });
    Exit.setHaltProcedure((code, message) -> { throw new Exited(code); });
    // Whatever the logging says of itself at its start belongs to no tool.
    new LogContext().logger(Main.class);
    BufferedReader commands = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line = commands.readLine(); line != null; line = commands.readLine()) {
      String[] words = line.split("\t", -1);
      ByteArrayOutputStream out = new ByteArrayOutputStream();
      ByteArrayOutputStream err = new ByteArrayOutputStream();
      System.setOut(new PrintStream(out, true, StandardCharsets.UTF_8));
      System.setErr(new PrintStream(err, true, StandardCharsets.UTF_8));
      int code = run(words[0], Arrays.copyOfRange(words, 1, words.length));
      System.out.flush();
      System.err.flush();
      answers.println("answer\t" + code + "\t" + encode(out) + "\t" + encode(err));
      answers.flush();
    }
  }

  private static int run(String mainClass, String[] args) throws Exception {
    try {
      Class.forName(mainClass).getMethod("main", String[].class).invoke(null, (Object) args);
      return 0;
    } catch (InvocationTargetException failure) {
      if (failure.getCause() instanceof Exited exited) return exited.code;
      failure.getCause().printStackTrace();
      return 1;
    }
  }

  private static String encode(ByteArrayOutputStream bytes) {
    return Base64.getEncoder().encodeToString(bytes.toByteArray());
  }
}
