import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import org.apache.rocketmq.client.QueryResult;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.ConsumeOrderlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.consumer.listener.MessageListenerOrderly;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.client.producer.SendStatus;
import org.apache.rocketmq.common.TopicConfig;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageConst;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.remoting.protocol.admin.TopicStatsTable;
import org.apache.rocketmq.tools.admin.DefaultMQAdminExt;

/** RocketMQ's own Java client against a name server and a broker: java -cp 'DIR/*' ClientTest.java NAMESRV BROKER. */
public class ClientTest {
    interface Case {
        void run() throws Exception;
    }

    static final int PATIENCE_S = 30;

    final String namesrv;
    final String broker;
    final DefaultMQAdminExt admin = new DefaultMQAdminExt(20_000);
    final DefaultMQProducer producer = new DefaultMQProducer("java_producer");
    final List<DefaultMQPushConsumer> consumers = new ArrayList<>();
    int failures = 0;

    ClientTest(String namesrv, String broker) throws Exception {
        this.namesrv = namesrv;
        this.broker = broker;
        admin.setNamesrvAddr(namesrv);
        admin.setInstanceName("admin");
        admin.start();
        producer.setNamesrvAddr(namesrv);
        producer.setSendMsgTimeout(10_000);
        producer.start();
    }

    static void check(boolean good, String what) {
        if (!good) {
            throw new IllegalStateException(what);
        }
    }

    void topic(String name, int queues) throws Exception {
        admin.createAndUpdateTopicConfig(broker, new TopicConfig(name, queues, queues, 6));
        for (int i = 0; i < PATIENCE_S * 10; i++) {
            try {
                admin.examineTopicRouteInfo(name);
                return;
            } catch (Exception absent) {
                Thread.sleep(100);
            }
        }
        throw new IllegalStateException("no route to " + name);
    }

    SendResult send(Message message) throws Exception {
        SendResult sent = producer.send(message);
        check(sent.getSendStatus() == SendStatus.SEND_OK, "sent: " + sent);
        return sent;
    }

    static Message message(String topic, String tag, String key, String body) {
        return new Message(topic, tag, key, body.getBytes(StandardCharsets.UTF_8));
    }

    static String body(MessageExt message) {
        return new String(message.getBody(), StandardCharsets.UTF_8);
    }

    DefaultMQPushConsumer consumer(String group, String topic, String tags) throws Exception {
        DefaultMQPushConsumer consumer = new DefaultMQPushConsumer(group);
        consumer.setNamesrvAddr(namesrv);
        consumer.setInstanceName(group);
        consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
        consumer.subscribe(topic, tags);
        consumers.add(consumer);
        return consumer;
    }

    ConcurrentLinkedQueue<MessageExt> consume(String group, String topic, String tags) throws Exception {
        ConcurrentLinkedQueue<MessageExt> got = new ConcurrentLinkedQueue<>();
        DefaultMQPushConsumer consumer = consumer(group, topic, tags);
        consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
            got.addAll(messages);
            return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        });
        consumer.start();
        return got;
    }

    static void await(ConcurrentLinkedQueue<MessageExt> got, int count) throws Exception {
        for (int i = 0; i < PATIENCE_S * 20 && got.size() < count; i++) {
            Thread.sleep(50);
        }
        check(got.size() == count, got.size() + " messages came, not " + count);
    }

    void sendAndConsume() throws Exception {
        topic("java_plain", 4);
        ConcurrentLinkedQueue<MessageExt> got = consume("java_plain_g", "java_plain", "*");
        TreeSet<String> sent = new TreeSet<>();
        for (int i = 0; i < 100; i++) {
            send(message("java_plain", "t", "k" + i, "body " + i));
            sent.add("body " + i);
        }
        StringBuilder large = new StringBuilder();
        for (int i = 0; i < 5000; i++) {
            large.append("compressed ");  // more than 4 KiB
        }
        send(message("java_plain", "t", "large", large.toString()));
        sent.add(large.toString());
        await(got, sent.size());
        TreeSet<String> received = new TreeSet<>();
        got.forEach(message -> received.add(body(message)));
        check(received.equals(sent), "not the bodies that were sent");
        TopicStatsTable stats = admin.examineTopicStats("java_plain");
        long stored = stats.getOffsetTable().values().stream().mapToLong(q -> q.getMaxOffset() - q.getMinOffset()).sum();
        check(stored == sent.size(), "topicStatus counts " + stored);
    }

    void batches() throws Exception {
        topic("java_batch", 1);
        ConcurrentLinkedQueue<MessageExt> got = consume("java_batch_g", "java_batch", "*");
        List<Message> batch = new ArrayList<>();
        for (int i = 0; i < 32; i++) {
            batch.add(message("java_batch", "t", "k" + i, String.valueOf(i)));
        }
        SendResult sent = producer.send(batch);
        check(sent.getSendStatus() == SendStatus.SEND_OK && sent.getMsgId().split(",").length == 32, "batch: " + sent);
        await(got, 32);
        List<Long> offsets = new ArrayList<>();
        got.forEach(message -> offsets.add(message.getQueueOffset()));
        Collections.sort(offsets);
        for (int i = 0; i < 32; i++) {
            check(offsets.get(i) == i, "queue offsets " + offsets);
        }
    }

    void tags() throws Exception {
        topic("java_tags", 2);
        ConcurrentLinkedQueue<MessageExt> got = consume("java_tags_g", "java_tags", "a || b");
        for (int i = 0; i < 30; i++) {
            send(message("java_tags", "abc".substring(i % 3, i % 3 + 1), "", "x"));
        }
        await(got, 20);
        got.forEach(message -> check(!"c".equals(message.getTags()), "tag c was not asked for"));
    }

    void ordered() throws Exception {
        topic("java_ordered", 3);
        Map<Integer, List<String>> got = new ConcurrentHashMap<>();
        ConcurrentLinkedQueue<MessageExt> all = new ConcurrentLinkedQueue<>();
        DefaultMQPushConsumer consumer = consumer("java_ordered_g", "java_ordered", "*");
        consumer.registerMessageListener((MessageListenerOrderly) (messages, context) -> {
            for (MessageExt message : messages) {
                got.computeIfAbsent(message.getQueueId(), q -> new ArrayList<>()).add(body(message));
                all.add(message);
            }
            return ConsumeOrderlyStatus.SUCCESS;
        });
        consumer.start();
        for (int i = 0; i < 60; i++) {
            int order = i;
            producer.send(message("java_ordered", "", "", String.valueOf(i)), (queues, m, k) -> queues.get(order % 3), null);
        }
        await(all, 60);
        for (List<String> queue : got.values()) {
            check(queue.size() == 20, "a queue has " + queue);
            for (int i = 1; i < 20; i++) {
                check(Integer.parseInt(queue.get(i)) == Integer.parseInt(queue.get(i - 1)) + 3, "out of order: " + queue);
            }
        }
    }

    void delayed() throws Exception {
        topic("java_delayed", 1);
        ConcurrentLinkedQueue<MessageExt> got = consume("java_delayed_g", "java_delayed", "*");
        Message message = message("java_delayed", "", "", "later");
        message.setDelayTimeLevel(2);  // 5 s
        long start = System.currentTimeMillis();
        send(message);
        await(got, 1);
        long took = System.currentTimeMillis() - start;
        check(took >= 4900, "delivered after " + took + " ms");
        check("2".equals(got.peek().getProperty(MessageConst.PROPERTY_DELAY_TIME_LEVEL)), "its level is told");
    }

    void retried() throws Exception {
        topic("java_retried", 1);
        ConcurrentLinkedQueue<MessageExt> got = new ConcurrentLinkedQueue<>();
        DefaultMQPushConsumer consumer = consumer("java_retried_g", "java_retried", "*");
        consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
            got.addAll(messages);
            context.setDelayLevelWhenNextConsume(1);
            return got.size() == 1 ? ConsumeConcurrentlyStatus.RECONSUME_LATER : ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        });
        consumer.start();
        send(message("java_retried", "", "", "again"));
        await(got, 2);
        MessageExt second = null;
        for (MessageExt message : got) {
            second = message;
        }
        check(second.getReconsumeTimes() == 1 && "again".equals(body(second)), "the second time: " + second);
    }

    void queried() throws Exception {
        topic("java_queried", 1);
        SendResult sent = send(message("java_queried", "t", "the-key", "found"));
        MessageExt byId = admin.viewMessage("java_queried", sent.getOffsetMsgId());
        check("found".equals(body(byId)), "by message id");
        for (int i = 0; ; i++) {
            try {
                QueryResult byKey = admin.queryMessage("java_queried", "the-key", 10, 0, Long.MAX_VALUE);
                check(byKey.getMessageList().size() == 1, "by key: " + byKey);
                break;
            } catch (Exception absent) {  // the index is built a moment later
                check(i < PATIENCE_S * 10, "by key: " + absent);
                Thread.sleep(100);
            }
        }
        check("found".equals(body(admin.viewMessage("java_queried", sent.getMsgId()))), "by unique key");
    }

    void test(String name, Case body) {
        long start = System.currentTimeMillis();
        try {
            body.run();
            System.out.printf("PASS java %s (%d ms)%n", name, System.currentTimeMillis() - start);
        } catch (Throwable fault) {
            failures++;
            System.out.printf("FAIL java %s: %s%n", name, fault);
        }
    }

    public static void main(String[] arguments) throws Exception {
        ClientTest test = new ClientTest(arguments[0], arguments[1]);
        Map<String, Case> cases = new java.util.LinkedHashMap<>();
        cases.put("send and consume", test::sendAndConsume);
        cases.put("batches", test::batches);
        cases.put("tags", test::tags);
        cases.put("ordered", test::ordered);
        cases.put("delayed", test::delayed);
        cases.put("retried", test::retried);
        cases.put("queried", test::queried);
        List<Thread> threads = new ArrayList<>();
        cases.forEach((name, body) -> threads.add(new Thread(() -> test.test(name, body))));
        for (Thread thread : threads) {
            thread.start();
        }
        for (Thread thread : threads) {
            thread.join();
        }
        test.consumers.forEach(DefaultMQPushConsumer::shutdown);
        test.producer.shutdown();
        test.admin.shutdown();
        System.exit(test.failures == 0 ? 0 : 1);
    }
}
