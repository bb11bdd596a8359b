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
    Exited() {
      super(null, null, false, false);
    }
  }

  /** Of the tool that runs: the code that it ended with, if it did. */
  private static Integer exitCode;
  private static ByteArrayOutputStream out;
  private static ByteArrayOutputStream err;
  private static byte[] outAtExit;
  private static byte[] errAtExit;

  /** A tool may take the error for its own and go on: what it says after its end does not count. */
  private static void exit(int code, String message) {
    end(code);
    throw new Exited();
  }

  private static void end(int code) {
    if (exitCode != null) return;
    exitCode = code;
    outAtExit = out.toByteArray();
    errAtExit = err.toByteArray();
  }

  public static void main(String[] args) throws Exception {
    PrintStream answers = System.out;
    Exit.setExitProcedure(Main::exit);
    Exit.setHaltProcedure(Main::exit);
    // Whatever the logging says of itself at its start belongs to no tool.
    new LogContext().logger(Main.class);
    BufferedReader commands = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line = commands.readLine(); line != null; line = commands.readLine()) {
      String[] words = line.split("\t", -1);
      exitCode = null;
      out = new ByteArrayOutputStream();
      err = new ByteArrayOutputStream();
      System.setOut(new PrintStream(out, true, StandardCharsets.UTF_8));
      System.setErr(new PrintStream(err, true, StandardCharsets.UTF_8));
      run(words[0], Arrays.copyOfRange(words, 1, words.length));
      answers.println("answer\t" + exitCode + "\t" + encode(outAtExit) + "\t" + encode(errAtExit));
      answers.flush();
    }
  }

  private static void run(String mainClass, String[] args) throws Exception {
    try {
      Class.forName(mainClass).getMethod("main", String[].class).invoke(null, (Object) args);
      end(0);
    } catch (InvocationTargetException failure) {
      if (exitCode == null) failure.getCause().printStackTrace();
      end(1);
    }
  }

  private static String encode(byte[] bytes) {
    return Base64.getEncoder().encodeToString(bytes);
  }
}
