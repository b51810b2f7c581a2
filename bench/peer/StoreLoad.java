import java.lang.management.ManagementFactory;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.rocketmq.common.BrokerConfig;
import org.apache.rocketmq.common.message.MessageDecoder;
import org.apache.rocketmq.common.message.MessageExtBrokerInner;
import org.apache.rocketmq.store.DefaultMessageStore;
import org.apache.rocketmq.store.GetMessageResult;
import org.apache.rocketmq.store.PutMessageResult;
import org.apache.rocketmq.store.config.FlushDiskType;
import org.apache.rocketmq.store.config.MessageStoreConfig;
import org.apache.rocketmq.store.stats.BrokerStatsManager;

/**
 * StoreLoad DIR name=value...: the load of `rmq-bench store` on stock RocketMQ's DefaultMessageStore, with the same names:
 * messages, warm, body, producers, outstanding, queues, keys (true), flush (sync, async), get. One JSON line.
 */
public class StoreLoad {
    static final Map<String, String> GIVEN = new HashMap<>();

    static long number(String name, long standard) {
        return Long.parseLong(GIVEN.getOrDefault(name, Long.toString(standard)));
    }

    static long cpuNanos() {
        return ((com.sun.management.OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean()).getProcessCpuTime();
    }

    static class Load {
        final DefaultMessageStore store;
        final int body = (int) number("body", 1024);
        final int queues = (int) number("queues", 4);
        final boolean keys = Boolean.parseBoolean(GIVEN.getOrDefault("keys", "false"));
        final int outstanding = (int) number("outstanding", 0);
        final int producers = (int) number("producers", 1);
        final AtomicLong next = new AtomicLong();
        final AtomicLong refused = new AtomicLong();

        Load(DefaultMessageStore store) {
            this.store = store;
        }

        MessageExtBrokerInner message(long number, byte[] bytes, InetSocketAddress host) {
            MessageExtBrokerInner message = new MessageExtBrokerInner();
            message.setTopic("Bench0");
            message.setTags("TAG1");
            message.setBody(bytes);
            message.setQueueId((int) (number % queues));
            if (keys) {
                message.setKeys("k" + number);
            }
            message.setBornTimestamp(1700000000000L);
            message.setBornHost(host);
            message.setStoreHost(host);
            message.setPropertiesString(MessageDecoder.messageProperties2String(message.getProperties()));
            message.setTagsCode(MessageExtBrokerInner.tagsString2tagsCode(null, message.getTags()));
            return message;
        }

        /** Nanoseconds of each put, -1 behind the last. */
        long[][] run(long from, long count) throws Exception {
            next.set(from);
            long end = from + count;
            int threads = outstanding > 0 ? 1 : producers;
            long[][] took = new long[threads][(int) count + 1];
            Thread[] running = new Thread[threads];
            for (int t = 0; t < threads; t++) {
                long[] mine = took[t];
                Arrays.fill(mine, -1);
                running[t] = new Thread(() -> {
                    byte[] bytes = new byte[body];
                    InetSocketAddress host = new InetSocketAddress(InetAddress.getLoopbackAddress(), 10911);
                    Semaphore window = outstanding > 0 ? new Semaphore(outstanding) : null;
                    int n = 0;
                    for (long i = next.getAndIncrement(); i < end; i = next.getAndIncrement()) {
                        MessageExtBrokerInner message = message(i, bytes, host);
                        int slot = n++;
                        if (window == null) {
                            long before = System.nanoTime();
                            PutMessageResult result = store.putMessage(message);
                            mine[slot] = System.nanoTime() - before;
                            if (!result.isOk()) {
                                refused.incrementAndGet();
                            }
                        } else {
                            window.acquireUninterruptibly();
                            long before = System.nanoTime();
                            store.asyncPutMessage(message).thenAccept(result -> {
                                mine[slot] = System.nanoTime() - before;
                                if (!result.isOk()) {
                                    refused.incrementAndGet();
                                }
                                window.release();
                            });
                        }
                    }
                    if (window != null) {
                        window.acquireUninterruptibly(outstanding);
                    }
                });
                running[t].start();
            }
            for (Thread thread : running) {
                thread.join();
            }
            return took;
        }
    }

    public static void main(String[] args) throws Exception {
        for (int i = 1; i < args.length; i++) {
            GIVEN.put(args[i].substring(0, args[i].indexOf('=')), args[i].substring(args[i].indexOf('=') + 1));
        }
        String flush = GIVEN.getOrDefault("flush", "async");
        MessageStoreConfig config = new MessageStoreConfig();
        config.setStorePathRootDir(args[0]);
        config.setStorePathCommitLog(args[0] + "/commitlog");
        config.setHaListenPort(0);
        config.setFlushDiskType(flush.equals("sync") ? FlushDiskType.SYNC_FLUSH : FlushDiskType.ASYNC_FLUSH);
        config.setTimerWheelEnable(false);
        config.setDiskMaxUsedSpaceRatio(95);
        config.setMessageIndexEnable(true);
        config.setOsPageCacheBusyTimeOutMills(60000);
        DefaultMessageStore store = new DefaultMessageStore(config, new BrokerStatsManager("bench", false),
            (a, b, c, d, e, f, g) -> { }, new BrokerConfig(), new ConcurrentHashMap<>());
        if (!store.load()) {
            throw new IllegalStateException("the store does not load");
        }
        store.start();
        long count = number("messages", 1000000);
        long warm = number("warm", Math.min(count / 5, 200000));
        Load load = new Load(store);
        load.run(0, warm);
        while (store.dispatchBehindBytes() > 0) {
            Thread.sleep(1);
        }
        long logBefore = store.getMaxPhyOffset();
        long cpu = cpuNanos();
        long start = System.nanoTime();
        long[][] took = load.run(warm, count);
        double seconds = (System.nanoTime() - start) / 1e9;
        while (store.dispatchBehindBytes() > 0) {
            Thread.sleep(1);
        }
        double dispatched = (System.nanoTime() - start) / 1e9;
        double micros = (cpuNanos() - cpu) / 1e3 / count;
        long[] all = Arrays.stream(took).flatMapToLong(Arrays::stream).filter(nanos -> nanos >= 0).sorted().toArray();
        StringBuilder line = new StringBuilder();
        line.append(String.format("{\"kind\":\"stock\",\"messages\":%d,\"refused\":%d,\"logBytes\":%d,\"seconds\":%.4f,\"dispatchedSeconds\":%.4f,"
            + "\"messagesPerSecond\":%.0f,\"dispatchedPerSecond\":%.0f,\"cpuMicrosPerMessage\":%.4f,"
            + "\"latencyNanos\":{\"samples\":%d,\"p50\":%d,\"p99\":%d,\"p999\":%d,\"highest\":%d}",
            count, load.refused.get(), store.getMaxPhyOffset() - logBefore, seconds, dispatched, count / seconds, count / dispatched, micros,
            all.length, at(all, 0.5), at(all, 0.99), at(all, 0.999), all[all.length - 1]));
        int batch = (int) number("get", 0);
        if (batch > 0) {
            long messages = 0;
            long cpuGet = cpuNanos();
            long startGet = System.nanoTime();
            for (int queue = 0; queue < load.queues; queue++) {
                long offset = 0;
                while (true) {
                    GetMessageResult got = store.getMessage("bench", "Bench0", queue, offset, batch, null);
                    if (got == null || got.getMessageCount() == 0) {
                        break;
                    }
                    messages += got.getMessageCount();
                    offset = got.getNextBeginOffset();
                    got.release();
                }
            }
            double secondsGet = (System.nanoTime() - startGet) / 1e9;
            line.append(String.format(",\"getMessages\":%d,\"getSeconds\":%.4f,\"getMessagesPerSecond\":%.0f,\"getCpuMicrosPerMessage\":%.4f",
                messages, secondsGet, messages / secondsGet, (cpuNanos() - cpuGet) / 1e3 / messages));
        }
        System.out.println(line.append("}"));
        System.out.flush();
        Runtime.getRuntime().halt(0);
    }

    static long at(long[] sorted, double part) {
        return sorted[(int) (part * (sorted.length - 1))];
    }
}
