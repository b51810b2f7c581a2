package oracle;

import com.alibaba.fastjson.JSON;
import com.alibaba.fastjson.JSONObject;
import java.io.File;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;

/** Recoveries DIR [NAME ...]: runs RecoverStore in a JVM of its own for each DIR/NAME, writes DIR/NAME/java-recovery.json (or -Dout=FILE). */
public final class Recoveries {
    public static void main(String[] a) throws Exception {
        File dir = new File(a[0]).getAbsoluteFile();
        List<String> names = new ArrayList<>(Arrays.asList(a).subList(1, a.length));
        ExecutorService pool = Executors.newFixedThreadPool(Integer.getInteger("jobs", 4));
        List<Future<?>> fs = new ArrayList<>();
        for (String n : names) {
            fs.add(pool.submit(() -> {
                one(dir, n);
                return null;
            }));
        }
        for (Future<?> f : fs) {
            try {
                f.get();
            } catch (Throwable t) {
                t.printStackTrace(System.out);
            }
        }
        Runtime.getRuntime().halt(0);
    }

    static void one(File dir, String n) throws Exception {
        File d = new File(dir, n);
        Cfg c = Cfg.load(new File(d, "store.json"));
        File before = new File(dir, c.notes.getOrDefault("before", n) + "/expected.jsonl");
        boolean abort = new File(d, "store/abort").exists();
        Map<String, Object> r = new LinkedHashMap<>();
        r.put("name", n);
        r.put("rocketmq", System.getProperty("rmq.version", c.rocketmq));
        r.put("before", c.notes.getOrDefault("before", n));
        if (abort) {
            r.put("as_is_with_abort", run(d, before, false));
        } else {
            r.put("as_is_clean_exit", run(d, before, false));
            r.put("with_abort_added", run(d, before, true));
        }
        File acked = new File(d, "acked.jsonl");
        if (acked.exists()) {
            java.util.Set<Long> have = new java.util.HashSet<>();
            for (String l : Files.readAllLines(new File(d, "expected.jsonl").toPath())) {
                have.add(JSON.parseObject(l).getLong("phyOffset"));
            }
            List<Long> gone = new ArrayList<>();
            int k = 0;
            for (String l : Files.readAllLines(acked.toPath())) {
                if (!l.isEmpty()) {
                    k++;
                    long p = JSON.parseObject(l).getLongValue("phyOffset");
                    if (!have.contains(p)) {
                        gone.add(p);
                    }
                }
            }
            r.put("acknowledged", k);
            r.put("acknowledged_but_not_on_disk", gone.size());
            r.put("acknowledgedButNotOnDiskPhyOffsets", gone);
        }
        File dj = new File(d, "damage.json");
        if (dj.exists()) {
            JSONObject j = JSON.parseObject(Util.read(dj));
            List<Long> gone = j.getJSONArray("destroyedPhyOffsets").toJavaList(Long.class);
            r.put("destroyed_messages", gone.size());
            for (Object o : new ArrayList<>(r.values())) {
                if (o instanceof JSONObject && ((JSONObject) o).containsKey("lost_messages")) {
                    JSONObject x = (JSONObject) o;
                    List<Long> lost = x.getJSONArray("lostPhyOffsets") == null ? null : x.getJSONArray("lostPhyOffsets").toJavaList(Long.class);
                    if (lost == null) {
                        x.put("lost_though_salvageable", j.getIntValue("messages_before") - gone.size());
                    } else {
                        lost.removeAll(gone);
                        x.put("lost_though_salvageable", lost.size());
                    }
                }
            }
        }
        Util.write(new File(d, System.getProperty("out", "java-recovery.json")), Util.pretty(r));
        System.out.println("recovered " + n);
    }

    /** Again when only a port was taken in the meantime: that is no result. */
    static JSONObject run(File d, File before, boolean abort) throws Exception {
        JSONObject r = null;
        for (int i = 0; i < 6; i++) {
            r = once(d, before, abort);
            if (r.getString("exception") == null || !r.getString("exception").contains("BindException")) {
                break;
            }
        }
        return r;
    }

    static JSONObject once(File d, File before, boolean abort) throws Exception {
        File home = Files.createTempDirectory("home").toFile();
        File out = new File(home, "out.json");
        List<String> cmd = new ArrayList<>(Arrays.asList(System.getProperty("java.home") + "/bin/java", "-Drmq.version=" + System.getProperty("rmq.version"),
            "-Duser.home=" + home.getPath(), "--add-exports=java.base/jdk.internal.ref=ALL-UNNAMED", "--add-opens=java.base/sun.nio.ch=ALL-UNNAMED",
            "--add-opens=java.base/java.nio=ALL-UNNAMED", "-Xmx400m", "-XX:TieredStopAtLevel=1", "-cp", System.getProperty("java.class.path"),
            "oracle.RecoverStore", new File(d, "store").getPath(), new File(d, "store.json").getPath(), out.getPath()));
        if (before.exists()) {
            cmd.add("--before");
            cmd.add(before.getPath());
        }
        if (abort) {
            cmd.add("--abort");
        }
        File log = new File(home, "stdout.txt");
        Process p = new ProcessBuilder(cmd).redirectErrorStream(true).redirectOutput(log).start();
        boolean done = p.waitFor(150, TimeUnit.SECONDS);
        JSONObject r;
        if (!done) {
            p.destroyForcibly();
            r = new JSONObject(true);
            r.put("hung", true);
        } else if (out.exists()) {
            r = JSON.parseObject(Util.read(out), com.alibaba.fastjson.parser.Feature.OrderedField);
        } else {
            r = new JSONObject(true);
            r.put("crashed", "exit " + p.exitValue());
            List<String> l = Files.readAllLines(log.toPath());
            r.put("stdout", l.subList(Math.max(0, l.size() - 15), l.size()));
        }
        Util.delete(home);
        return r;
    }
}
