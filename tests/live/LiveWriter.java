package oracle;

import java.io.BufferedWriter;
import java.io.File;
import java.io.FileWriter;
import java.util.ArrayDeque;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.rocketmq.common.BrokerConfig;
import org.apache.rocketmq.common.TopicConfig;
import org.apache.rocketmq.common.message.MessageConst;
import org.apache.rocketmq.store.DefaultMessageStore;
import org.apache.rocketmq.store.GetMessageResult;
import org.apache.rocketmq.store.PutMessageResult;
import org.apache.rocketmq.store.config.BrokerRole;

/**
 * A stock broker under load, driven by lines on standard input; what it answers goes to standard output.
 *
 * <pre>
 * LiveWriter broker OUT store.json SEED ACKED        a whole broker (and a name server) on OUT/NAME/store
 *   write SECONDS RATE CHURN EXPIRE                  messages a second; topics deleted and made; files made to expire
 *   rate SECONDS                                     puts as fast as it goes; answers how many a second
 *   paced SECONDS RATE                               puts at this rate; answers how many, and the microseconds that a put took:
 *                                                    of the 50th, 99th and 99.9th percentile and of the slowest
 *   stop                                             a clean end
 * LiveWriter pair MASTER SLAVE store.json SEED       a master's store and a slave's, replicated
 *   write COUNT     stop
 * </pre>
 */
public final class LiveWriter {
    private final Gen g;
    private final DefaultMessageStore store;
    private final BufferedWriter acked;
    private final AtomicLong puts = new AtomicLong();
    private boolean timed;

    private LiveWriter(DefaultMessageStore store, String acked, long seed) throws Exception {
        this.store = store;
        this.acked = new BufferedWriter(new FileWriter(acked));
        g = new Gen(seed, "live");
    }

    public static void main(String[] a) throws Exception {
        java.io.PrintStream out = System.out;
        System.setOut(System.err);
        try {
            if (a[0].equals("broker")) {
                broker(a, out);
            } else {
                pair(a, out);
            }
        } catch (Throwable t) {
            t.printStackTrace();
            Runtime.getRuntime().halt(1);
        }
        Runtime.getRuntime().halt(0);
    }

    private static void answer(java.io.PrintStream out, String text) {
        out.println(text);
        out.flush();
    }

    private static void broker(String[] a, java.io.PrintStream out) throws Exception {
        BrokerKit kit = new BrokerKit(Cfg.load(new File(a[2])), new File(a[1]), Long.parseLong(a[3]));
        kit.start();
        LiveWriter w = new LiveWriter((DefaultMessageStore) kit.broker.getMessageStore(), a[4], Long.parseLong(a[3]));
        for (int t = 0; t < 4; t++) {
            w.create(kit, "Live" + t);
        }
        answer(out, "ready");
        java.io.BufferedReader in = new java.io.BufferedReader(new java.io.InputStreamReader(System.in));
        for (String line; (line = in.readLine()) != null && !line.equals("stop"); ) {
            String[] words = line.split(" ");
            if (words[0].equals("write")) {
                long before = w.puts.get();
                w.timed = true;
                w.write(kit, Integer.parseInt(words[1]), Integer.parseInt(words[2]), words[3].equals("true"), words[4].equals("true"));
                answer(out, "wrote " + (w.puts.get() - before));
            } else if (words[0].equals("paced")) {
                answer(out, "paced " + w.paced(Integer.parseInt(words[1]), Integer.parseInt(words[2])));
            } else {
                answer(out, "rate " + w.rate(Integer.parseInt(words[1])));
            }
        }
        w.acked.close();
        kit.stop();
        answer(out, "stopped");
    }

    private void create(BrokerKit kit, String topic) {
        TopicConfig t = new TopicConfig(topic);
        t.setReadQueueNums(3);
        t.setWriteQueueNums(3);
        kit.broker.getTopicConfigManager().updateTopicConfig(t);
    }

    /** What AdminBrokerProcessor.deleteTopic does. */
    private void delete(BrokerKit kit, String topic) {
        kit.broker.getTopicConfigManager().deleteTopicConfig(topic);
        kit.broker.getConsumerOffsetManager().cleanOffsetByTopic(topic);
        store.deleteTopics(Collections.singleton(topic));
    }

    private void write(BrokerKit kit, int seconds, int rate, boolean churn, boolean expire) throws Exception {
        long start = System.nanoTime();
        long end = start + seconds * 1_000_000_000L;
        ArrayDeque<String> made = new ArrayDeque<>();
        long nextChurn = start;
        long nextExpiry = start + 3_000_000_000L;
        int topics = 0;
        long sent = 0;
        for (long now = start; now < end; now = System.nanoTime()) {
            if (churn && now >= nextChurn) {
                nextChurn = now + 700_000_000L;
                // Names come again after a while, as topics that are deleted and made anew.
                String topic = "Churn" + topics++ % 7;
                if (made.contains(topic)) {
                    delete(kit, topic);
                    made.remove(topic);
                    continue;
                }
                create(kit, topic);
                made.add(topic);
                if (made.size() > 3) {
                    delete(kit, made.poll());
                }
            }
            if (expire && now >= nextExpiry) {
                nextExpiry = now + 4_000_000_000L;
                store.executeDeleteFilesManually();
            }
            long due = (now - start) * rate / 1_000_000_000L;
            if (sent >= due) {
                Thread.sleep(1);
                continue;
            }
            for (; sent < due; sent++) {
                boolean churned = !made.isEmpty() && g.r.nextInt(10) == 0;
                String topic = churned ? made.toArray(new String[0])[g.r.nextInt(made.size())] : "Live" + g.r.nextInt(4);
                put(topic);
                if (g.r.nextInt(20) == 0) {
                    consume("Live" + g.r.nextInt(4));
                }
            }
        }
        acked.flush();
    }

    private void put(String topic) throws Exception {
        int size = g.r.nextInt(100) == 0 ? g.r.nextInt(60000) : g.r.nextInt(1500);
        Msg m = g.msg(topic, g.r.nextInt(3), g.bin(size), "T" + g.r.nextInt(3), System.currentTimeMillis());
        if (m.getProperties() == null) {
            Gen.noProps(m);
        }
        // The broker's hooks send these to the delay levels and into the timer.
        int later = timed && topic.startsWith("Live") ? g.r.nextInt(20) : -1;
        if (later == 0) {
            m.setDelayTimeLevel(1 + g.r.nextInt(3));
        } else if (later == 1) {
            org.apache.rocketmq.common.message.MessageAccessor.putProperty(m, "TIMER_DELAY_SEC", String.valueOf(2 + g.r.nextInt(20)));
        }
        PutMessageResult p = store.putMessage(Gen.seal(m));
        if (!p.isOk()) {
            return;
        }
        puts.incrementAndGet();
        Map<String, Object> o = new LinkedHashMap<>();
        o.put("phyOffset", p.getAppendMessageResult().getWroteOffset());
        o.put("topic", m.getTopic());
        o.put("queueId", m.getQueueId());
        o.put("queueOffset", p.getAppendMessageResult().getLogicsOffset());
        o.put("uniqKey", m.getProperty(MessageConst.PROPERTY_UNIQ_CLIENT_MESSAGE_ID_KEYIDX));
        acked.write(Util.json(o).replace("\n", "") + "\n");
    }

    private void consume(String topic) throws Exception {
        int queue = g.r.nextInt(3);
        long min = store.getMinOffsetInQueue(topic, queue);
        long max = store.getMaxOffsetInQueue(topic, queue);
        if (max <= min) {
            return;
        }
        GetMessageResult r = store.getMessage("group", topic, queue, min + (long) (g.r.nextDouble() * (max - min)), 16, null);
        if (r != null) {
            r.release();
        }
    }

    private long rate(int seconds) throws Exception {
        byte[] body = g.bin(1024);
        long before = 0;
        long start = System.nanoTime();
        long end = start + seconds * 1_000_000_000L;
        long now = start;
        for (; now < end; now = System.nanoTime()) {
            Msg m = g.msg("Live" + before % 4, (int) (before % 3), body, "T", System.currentTimeMillis());
            if (m.getProperties() == null) {
                Gen.noProps(m);
            }
            if (store.putMessage(Gen.seal(m)).isOk()) {
                before++;
            }
        }
        return before * 1_000_000_000L / (now - start);
    }

    private String paced(int seconds, int rate) throws Exception {
        byte[] body = g.bin(1024);
        long[] took = new long[seconds * rate];
        int done = 0;
        long start = System.nanoTime();
        for (int i = 0; i < took.length; i++) {
            long due = start + i * 1_000_000_000L / rate;
            for (long now = System.nanoTime(); now < due; now = System.nanoTime()) {
                java.util.concurrent.locks.LockSupport.parkNanos(due - now);
            }
            Msg m = g.msg("Live" + i % 4, i % 3, body, "T", System.currentTimeMillis());
            if (m.getProperties() == null) {
                Gen.noProps(m);
            }
            Gen.seal(m);
            long before = System.nanoTime();
            if (store.putMessage(m).isOk()) {
                took[done++] = System.nanoTime() - before;
            }
            if (System.nanoTime() - start > (seconds + 2) * 1_000_000_000L) {
                break;
            }
        }
        long[] sorted = java.util.Arrays.copyOf(took, done);
        java.util.Arrays.sort(sorted);
        StringBuilder answer = new StringBuilder().append(done);
        for (double at : new double[] {0.5, 0.99, 0.999, 1}) {
            answer.append(' ').append(sorted[(int) Math.min(done - 1, Math.floor(at * done))] / 1000);
        }
        return answer.toString();
    }

    private static DefaultMessageStore replica(Cfg cfg, String root, BrokerRole role, int port) throws Exception {
        org.apache.rocketmq.store.config.MessageStoreConfig c = cfg.storeConfig(new File(root));
        c.setBrokerRole(role);
        c.setHaListenPort(port);
        BrokerConfig b = cfg.brokerConfig();
        b.setBrokerId(role == BrokerRole.SLAVE ? 1 : 0);
        DefaultMessageStore s = Compat.open(c, b, cfg.allTopics(new File(root)), null);
        if (!s.load()) {
            throw new IllegalStateException(root + " does not load");
        }
        return s;
    }

    private static void replicated(DefaultMessageStore master, DefaultMessageStore slave) throws Exception {
        long end = System.currentTimeMillis() + 60000;
        while ((slave.getMaxPhyOffset() < master.getMaxPhyOffset() || slave.dispatchBehindBytes() > 0 || master.dispatchBehindBytes() > 0)
            && System.currentTimeMillis() < end) {
            Thread.sleep(50);
        }
    }

    private static void pair(String[] a, java.io.PrintStream out) throws Exception {
        Cfg cfg = Cfg.load(new File(a[3]));
        int port = Util.freePort();
        DefaultMessageStore master = replica(cfg, a[1], BrokerRole.ASYNC_MASTER, port);
        DefaultMessageStore slave = replica(cfg, a[2], BrokerRole.SLAVE, Util.freePort());
        master.start();
        slave.updateHaMasterAddress("127.0.0.1:" + port);
        slave.start();
        slave.updateHaMasterAddress("127.0.0.1:" + port);
        LiveWriter w = new LiveWriter(master, a[1] + ".acked", Long.parseLong(a[4]));
        // A slave without a log begins with the master's last file (HAConnection): it has to be there in time.
        w.put("Live0");
        replicated(master, slave);
        answer(out, "ready");
        java.io.BufferedReader in = new java.io.BufferedReader(new java.io.InputStreamReader(System.in));
        for (String line; (line = in.readLine()) != null && !line.equals("stop"); ) {
            for (int i = Integer.parseInt(line.split(" ")[1]); i > 0; i--) {
                w.put("Live" + i % 4);
            }
            replicated(master, slave);
            answer(out, "at " + master.getMaxPhyOffset() + " " + slave.getMaxPhyOffset());
        }
        slave.shutdown();
        master.shutdown();
        answer(out, "stopped");
    }
}
