package oracle;

import java.io.BufferedReader;
import java.io.File;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * RecoverStore for many stores in one JVM. A line of standard input: STORE, store.json, OUT.json, abort (true or false)
 * and expected.jsonl or nothing, with tabs between; OUT is printed when it is written.
 */
public final class StockServer {
    public static void main(String[] args) throws Exception {
        PrintStream out = System.out;
        System.setOut(System.err);
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
        for (String line; (line = in.readLine()) != null; ) {
            String[] words = line.split("\t", -1);
            Map<String, Object> told = new LinkedHashMap<>();
            try {
                RecoverStore.recover(new File(words[0]), Cfg.load(new File(words[1])), words[3].equals("true"),
                    words[4].isEmpty() ? null : new File(words[4]), null, told, new File(words[2]));
            } catch (Throwable t) {
                told.put("crashed", t.toString());
            }
            Util.write(new File(words[2]), Util.pretty(told));
            out.println(words[2]);
            out.flush();
        }
        Runtime.getRuntime().halt(0);
    }
}
