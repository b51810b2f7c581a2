package oracle;

import com.alibaba.fastjson.JSON;
import com.alibaba.fastjson.JSONObject;
import java.io.File;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;
import org.apache.rocketmq.store.DefaultMessageStore;

/**
 * RecoverStore STORE_DIR NAME.store.json OUT.json [--abort] [--before expected.jsonl] [--keep DIR]
 * Opens a copy of a (damaged) store with the real RocketMQ, lets it load, recover and start, reads every message the
 * way a consumer would, shuts down, and writes what survived. --abort puts an abort file there first. With --before,
 * it also says which messages of the store before the damage a consumer can no longer get.
 * Run it with -Duser.home=SOME_EMPTY_DIR: RocketMQ's own log goes there, its WARN/ERROR lines come into the result.
 */
public final class RecoverStore {
    public static void main(String[] a) throws Exception {
        File before = null;
        File keep = null;
        boolean abort = false;
        for (int i = 3; i < a.length; i++) {
            if (a[i].equals("--before")) {
                before = new File(a[++i]);
            } else if (a[i].equals("--keep")) {
                keep = new File(a[++i]);
            } else if (a[i].equals("--abort")) {
                abort = true;
            }
        }
        int rc = 0;
        Map<String, Object> r = new LinkedHashMap<>();
        try {
            recover(new File(a[0]), Cfg.load(new File(a[1])), abort, before, keep, r, new File(a[2]));
        } catch (Throwable t) {
            t.printStackTrace();
            r.put("crashed", t.toString());
            rc = 1;
        }
        Util.write(new File(a[2]), Util.pretty(r));
        Runtime.getRuntime().halt(rc);
    }

    private static List<String> logLines(File root) throws Exception {
        Thread.sleep(1200); // asynchronous appenders
        List<String> r = new ArrayList<>();
        File logs = new File(System.getProperty("user.home"), "logs/rocketmqlogs");
        for (Path p : Util.files(logs)) {
            String n = p.getFileName().toString();
            if (!n.equals("store.log") && !n.equals("storeerror.log") && !n.equals("broker_default.log")) {
                continue;
            }
            for (String l : Files.readAllLines(p)) {
                int i = l.indexOf(" WARN ");
                int j = l.indexOf(" ERROR ");
                int k = i >= 0 && i < 40 ? i : j >= 0 && j < 40 ? j : -1;
                boolean exc = l.matches("^(java|org|Caused by)[^ ]*.*(Exception|Error).*");
                if (k < 0 && !exc) {
                    continue;
                }
                String t = (k >= 0 ? l.substring(k + 1) : l).replace(root.getPath(), "{ROOT}");
                if (t.contains("BrokerConfig") || t.contains("HA Service") || t.contains("HAService")) {
                    continue;
                }
                if (t.length() > 300) {
                    t = t.substring(0, 300);
                }
                if (r.size() < 40 && !r.contains(t)) {
                    r.add(t);
                }
            }
        }
        return r;
    }

    @SuppressWarnings("unchecked")
    static void recover(File dir, Cfg cfg, boolean abort, File before, File keep, Map<String, Object> r, File out) throws Exception {
        File tmp = Files.createTempDirectory("recover").toFile();
        File root = new File(tmp, "store");
        Util.copy(dir, root);
        if (abort) {
            new File(root, "abort").createNewFile();
        }
        r.put("rocketmq", System.getProperty("rmq.version", cfg.rocketmq));
        r.put("abortBefore", new File(root, "abort").exists());
        r.put("checkpointBefore", Facts.checkpoint(root));
        DefaultMessageStore s = null;
        boolean loaded = false;
        String ex = null;
        try {
            s = cfg.open(root, null);
            DefaultMessageStore x = s;
            loaded = Reader.timed(x::load, 40);
            if (loaded) {
                Reader.timed(() -> {
                    x.start();
                    return true;
                }, 30);
            }
        } catch (Throwable t) {
            Throwable c = t.getCause() != null && t instanceof java.util.concurrent.ExecutionException ? t.getCause() : t;
            ex = c.toString().replace(root.getPath(), "{ROOT}");
            loaded = false;
        }
        r.put("started", loaded);
        r.put("exception", ex);
        Map<Long, Map<String, Object>> got = new TreeMap<>();
        List<Map<String, Object>> queues = new ArrayList<>();
        int undecodable = 0;
        int wrongPlace = 0;
        int misplaced = 0;
        int skipped = 0;
        if (loaded) {
            long end = System.currentTimeMillis() + 6000;
            while (System.currentTimeMillis() < end && s.dispatchBehindBytes() > 0) {
                Thread.sleep(50);
            }
            r.put("dispatchBehindBytes", s.dispatchBehindBytes());
            r.put("minPhyOffset", s.getMinPhyOffset());
            r.put("maxPhyOffset", s.getMaxPhyOffset());
            Map<String, TreeSet<Integer>> qs = new TreeMap<>(Compat.queues(s));
            for (Map.Entry<String, TreeSet<Integer>> e : qs.entrySet()) {
                for (int q : e.getValue()) {
                    Map<String, Object> info = Compat.queueInfo(s, e.getKey(), q);
                    long min = (Long) info.get("minOffset");
                    long max = (Long) info.get("maxOffset");
                    List<long[]> pairs = new ArrayList<>();
                    for (long o = Math.max(0, min); o < max && o < min + 100000; o++) {
                        List<Map<String, Object>> l = Reader.get(s, e.getKey(), q, o);
                        for (Map<String, Object> m : l) {
                            if (!m.containsKey("phyOffset")) {
                                undecodable++;
                                continue;
                            }
                            long phy = (Long) m.get("phyOffset");
                            boolean bcq = "BatchCQ".equals(info.get("type"));
                            if (!bcq && (Long) m.get("cqPosition") != o) {
                                skipped++;
                                continue;
                            }
                            boolean mine = e.getKey().equals(m.get("topic")) && q == (Integer) m.get("queueId");
                            if (!mine && !e.getKey().startsWith("%LMQ%")) {
                                wrongPlace++;
                            }
                            if (mine && o != (Long) m.get("queueOffset") && !bcq) {
                                misplaced++;
                            }
                            pairs.add(new long[]{o, phy});
                            if (mine || !got.containsKey(phy)) {
                                got.put(phy, m);
                            }
                        }
                    }
                    info.put("readable", pairs.size());
                    info.put("queueOffset_phyOffset", pairs);
                    queues.add(info);
                }
            }
            r.put("readableMessages", got.size());
            r.put("undecodable", undecodable);
            r.put("fromAnotherQueue", wrongPlace);
            r.put("misplaced_messages", misplaced);
            r.put("queueOffsetsAnsweredWithALaterMessage", skipped);
            r.put("crcBadDelivered", got.values().stream().filter(m -> Boolean.FALSE.equals(m.get("bodyCRCOk"))).count());
            if (before != null) {
                compare(before, s, got, r);
            }
            DefaultMessageStore x = s;
            try {
                Reader.timed(() -> {
                    x.shutdown();
                    return true;
                }, 30);
            } catch (Throwable t) {
                r.put("shutdownFailed", t.toString());
            }
            r.put("checkpointAfter", Facts.checkpoint(root));
            r.put("abortAfter", new File(root, "abort").exists());
            r.put("commitLogFilesAfter", names(Scan.commitLogFiles(cfg, root)));
            r.put("indexAfter", Facts.index(cfg, root, null));
            Scan after = new Scan(cfg, root);
            r.put("decodableInCommitLogAfter", after.messages.size());
        } else if (before != null) {
            int n = 0;
            for (String l : Files.readAllLines(before.toPath())) {
                if (JSON.parseObject(l).getBooleanValue("readable")) {
                    n++;
                }
            }
            r.put("readableBefore", n);
            r.put("lost_messages", n);
        }
        r.put("log", logLines(root));
        r.put("consumeQueues", queues);
        if (keep != null) {
            Util.copy(root, keep);
        }
        Util.delete(tmp);
    }

    private static List<String> names(List<File> l) {
        List<String> r = new ArrayList<>();
        l.forEach(f -> r.add(f.getName()));
        return r;
    }

    private static void compare(File before, DefaultMessageStore s, Map<Long, Map<String, Object>> got, Map<String, Object> r) throws Exception {
        List<Long> lost = new ArrayList<>();
        List<Long> changed = new ArrayList<>();
        List<Long> noKey = new ArrayList<>();
        Map<String, Integer> perBefore = new TreeMap<>();
        Map<String, Integer> perAfter = new TreeMap<>();
        int n = 0;
        int keyed = 0;
        boolean hang = false;
        String hangKey = null;
        Map<Long, Boolean> known = new HashMap<>();
        for (String l : Files.readAllLines(before.toPath())) {
            JSONObject m = JSON.parseObject(l);
            if (!m.getBooleanValue("readable")) {
                continue;
            }
            n++;
            long phy = m.getLongValue("phyOffset");
            known.put(phy, true);
            String q = m.getString("topic") + "/" + m.getIntValue("queueId");
            perBefore.merge(q, 1, Integer::sum);
            Map<String, Object> g = got.get(phy);
            if (g == null) {
                lost.add(phy);
            } else if (!m.getString("bodySha256").equals(g.get("bodySha256")) || !m.getString("topic").equals(g.get("topic"))
                || m.getLongValue("queueOffset") != (Long) g.get("queueOffset") || m.getIntValue("queueId") != (Integer) g.get("queueId")) {
                changed.add(phy);
            } else {
                perAfter.merge(q, 1, Integer::sum);
            }
            if (m.getString("uniqKey") != null && !hang) {
                keyed++;
                try {
                    if (!Reader.query(s, m.getString("topic"), m.getString("uniqKey"), 64).contains(phy)) {
                        noKey.add(phy);
                    }
                } catch (java.util.concurrent.TimeoutException e) {
                    hang = true;
                    hangKey = m.getString("topic") + "#" + m.getString("uniqKey");
                } catch (Exception e) {
                    noKey.add(phy);
                }
            }
        }
        List<Long> extra = new ArrayList<>();
        for (Long p : got.keySet()) {
            if (!known.containsKey(p)) {
                extra.add(p);
            }
        }
        r.put("readableBefore", n);
        r.put("lost_messages", lost.size());
        r.put("changed_messages", changed.size());
        r.put("extra_messages", extra.size());
        r.put("keyedBefore", keyed);
        r.put("not_found_by_uniqKey", noKey.size());
        r.put("queryHung", hang);
        r.put("queryHungKey", hangKey);
        r.put("lostPhyOffsets", lost);
        r.put("changedPhyOffsets", changed);
        r.put("extraPhyOffsets", extra);
        r.put("notFoundByUniqKeyPhyOffsets", noKey);
        Map<String, Object> per = new TreeMap<>();
        for (String q : perBefore.keySet()) {
            per.put(q, new int[]{perBefore.get(q), perAfter.getOrDefault(q, 0)});
        }
        r.put("perQueue_before_after", per);
    }
}
