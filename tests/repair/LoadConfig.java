import com.alibaba.fastjson.JSON;
import java.io.BufferedReader;
import java.io.File;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;
import org.apache.rocketmq.broker.BrokerController;
import org.apache.rocketmq.broker.filter.ConsumerFilterManager;
import org.apache.rocketmq.broker.offset.ConsumerOffsetManager;
import org.apache.rocketmq.broker.subscription.SubscriptionGroupManager;
import org.apache.rocketmq.broker.topic.TopicConfigManager;
import org.apache.rocketmq.common.BrokerConfig;
import org.apache.rocketmq.common.ConfigManager;
import org.apache.rocketmq.common.TopicConfig;
import org.apache.rocketmq.remoting.netty.NettyClientConfig;
import org.apache.rocketmq.remoting.netty.NettyServerConfig;
import org.apache.rocketmq.store.config.MessageStoreConfig;

/**
 * LoadConfig managers|start: store roots come on standard input, one a line; for each a line of JSON goes out: what a stock broker
 * has in memory after loading config/. "managers" asks the managers alone, "start" initialises a broker on the store (which
 * recovers it: hand it a copy).
 */
public final class LoadConfig {
    public static void main(String[] args) throws Exception {
        PrintStream out = System.out;
        System.setOut(System.err);
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
        BrokerController shared = args[0].equals("managers") ? broker(new File("/nonexistent"), new MessageStoreConfig()) : null;
        for (String line; (line = in.readLine()) != null; ) {
            Map<String, Object> told = new TreeMap<>();
            told.put("store", line);
            try {
                if (shared != null) {
                    managers(shared, new File(line), told);
                } else {
                    start(new File(line), told);
                }
            } catch (Throwable t) {
                told.put("exception", String.valueOf(t));
            }
            out.println(JSON.toJSONString(told));
            out.flush();
        }
        Runtime.getRuntime().halt(0);
    }

    static BrokerController broker(File root, MessageStoreConfig store) throws Exception {
        store.setStorePathRootDir(root.getPath());
        store.setStorePathCommitLog(root.getPath() + "/commitlog");
        store.setHaListenPort(0);
        NettyServerConfig server = new NettyServerConfig();
        server.setListenPort(0);
        BrokerConfig config = new BrokerConfig();
        config.setBrokerName("broker-a");
        config.setBrokerIP1("127.0.0.1");
        return new BrokerController(config, server, new NettyClientConfig(), store);
    }

    static void managers(BrokerController broker, File root, Map<String, Object> told) {
        broker.getMessageStoreConfig().setStorePathRootDir(root.getPath());
        TopicConfigManager topics = new TopicConfigManager(broker);
        ConsumerOffsetManager offsets = new ConsumerOffsetManager(broker);
        SubscriptionGroupManager groups = new SubscriptionGroupManager(broker);
        Map<String, Object> loads = new TreeMap<>();
        loads.put("topics", load(topics));
        loads.put("offsets", load(offsets));
        loads.put("groups", load(groups));
        loads.put("filters", load(new ConsumerFilterManager(broker)));
        told.put("loads", loads);
        tell(topics, offsets, groups, told);
    }

    static boolean load(ConfigManager manager) {
        return manager.load();
    }

    static void start(File root, Map<String, Object> told) throws Exception {
        MessageStoreConfig store = new MessageStoreConfig();
        File[] log = new File(root, "commitlog").listFiles(File::isFile);
        if (log != null && log.length > 0) {
            store.setMappedFileSizeCommitLog((int) log[0].length());
        }
        File[] queues = new File(root, "consumequeue").listFiles();
        for (File topic : queues == null ? new File[0] : queues) {
            for (File queue : topic.listFiles()) {
                File[] files = queue.listFiles();
                if (files != null && files.length > 0 && files[0].length() % 20 == 0) {
                    store.setMappedFileSizeConsumeQueue((int) files[0].length());
                }
            }
        }
        BrokerController broker = broker(root, store);
        told.put("started", broker.initialize());
        tell(broker.getTopicConfigManager(), broker.getConsumerOffsetManager(), broker.getSubscriptionGroupManager(), told);
    }

    static void tell(TopicConfigManager topics, ConsumerOffsetManager offsets, SubscriptionGroupManager groups, Map<String, Object> told) {
        Map<String, Object> table = new TreeMap<>();
        for (Map.Entry<String, TopicConfig> topic : topics.getTopicConfigTable().entrySet()) {
            table.put(topic.getKey(), topic.getValue().getReadQueueNums() + "/" + topic.getValue().getWriteQueueNums());
        }
        told.put("topics", table);
        told.put("groups", new TreeSet<>(groups.getSubscriptionGroupTable().keySet()));
        Map<String, Object> all = new TreeMap<>();
        offsets.getOffsetTable().forEach((key, map) -> map.forEach((queue, offset) -> all.put(key + "/" + queue, offset)));
        told.put("offsets", all);
    }
}
