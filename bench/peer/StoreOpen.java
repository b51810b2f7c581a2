import java.lang.management.ManagementFactory;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.rocketmq.common.BrokerConfig;
import org.apache.rocketmq.store.DefaultMessageStore;
import org.apache.rocketmq.store.config.FlushDiskType;
import org.apache.rocketmq.store.config.MessageStoreConfig;
import org.apache.rocketmq.store.stats.BrokerStatsManager;

/** StoreOpen DIR: how long stock RocketMQ takes to load and recover the store; one JSON line. Works on DIR itself. */
public class StoreOpen {
    public static void main(String[] args) throws Exception {
        MessageStoreConfig config = new MessageStoreConfig();
        config.setStorePathRootDir(args[0]);
        config.setStorePathCommitLog(args[0] + "/commitlog");
        config.setHaListenPort(0);
        config.setFlushDiskType(FlushDiskType.ASYNC_FLUSH);
        config.setTimerWheelEnable(false);
        config.setDiskMaxUsedSpaceRatio(95);
        config.setFileReservedTime(876000);
        DefaultMessageStore store = new DefaultMessageStore(config, new BrokerStatsManager("bench", false),
            (a, b, c, d, e, f, g) -> { }, new BrokerConfig(), new ConcurrentHashMap<>());
        long start = System.nanoTime();
        boolean loaded = store.load();
        double seconds = (System.nanoTime() - start) / 1e9;
        long cpu = ((com.sun.management.OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean()).getProcessCpuTime();
        System.out.printf("{\"loaded\":%b,\"seconds\":%.3f,\"cpuSeconds\":%.2f,\"maxPhyOffset\":%d}%n", loaded, seconds, cpu / 1e9, store.getMaxPhyOffset());
        Runtime.getRuntime().halt(0);
    }
}
