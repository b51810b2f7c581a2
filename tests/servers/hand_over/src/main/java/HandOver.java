import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.client.producer.SendStatus;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;

/** The client of hand_over.py: sends numbered messages, and consumes them. A line of output for each message. */
public class HandOver {
    public static void main(String[] arguments) throws Exception {
        System.setProperty("rocketmq.client.logUseSlf4j", "true");
        if (arguments[0].equals("send")) {
            send(arguments);
        } else {
            consume(arguments);
        }
        System.exit(0);
    }

    /** send NAMESRV TOPIC FROM COUNT LEVEL: "sent NUMBER" when it is acknowledged. */
    static void send(String[] a) throws Exception {
        DefaultMQProducer producer = new DefaultMQProducer("HandOverProducer");
        producer.setNamesrvAddr(a[1]);
        producer.setVipChannelEnabled(false);
        producer.setSendMsgTimeout(10000);
        producer.start();
        int from = Integer.parseInt(a[3]);
        for (int number = from; number < from + Integer.parseInt(a[4]); number++) {
            Message message = new Message(a[2], number % 2 == 0 ? "even" : "odd", "k" + number, ("" + number).getBytes(StandardCharsets.UTF_8));
            message.setDelayTimeLevel(Integer.parseInt(a[5]));
            SendResult result = producer.send(message);
            if (result.getSendStatus() == SendStatus.SEND_OK) {
                System.out.println("sent " + number);
            }
        }
        producer.shutdown();
    }

    /**
     * consume NAMESRV GROUP TOPIC MOST IDLE_MS REJECTED: "got NUMBER TIMES" for each delivery, until there were MOST of them, or none
     * for IDLE_MS (a minute more before the first). Numbers that REJECTED divides are given back at their first delivery; 0: none.
     */
    static void consume(String[] a) throws Exception {
        int most = Integer.parseInt(a[4]);
        int rejected = Integer.parseInt(a[6]);
        AtomicInteger count = new AtomicInteger();
        AtomicLong last = new AtomicLong(System.nanoTime() + 60_000_000_000L); // until it has its queues
        DefaultMQPushConsumer consumer = new DefaultMQPushConsumer(a[2]);
        consumer.setNamesrvAddr(a[1]);
        consumer.setVipChannelEnabled(false);
        consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
        consumer.setConsumeThreadMin(1);
        consumer.setConsumeThreadMax(1);
        consumer.setPullBatchSize(8);
        consumer.subscribe(a[3], "*");
        consumer.registerMessageListener((MessageListenerConcurrently) (List<MessageExt> messages, org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyContext context) -> {
            while (count.get() >= most) { // what was pulled and not consumed comes again, to somebody else
                try {
                    Thread.sleep(60000);
                } catch (InterruptedException e) {
                    Thread.interrupted(); // by the shutdown: to return would give the message back
                }
            }
            MessageExt message = messages.get(0);
            int number = Integer.parseInt(new String(message.getBody(), StandardCharsets.UTF_8));
            synchronized (System.out) {
                System.out.println("got " + number + " " + message.getReconsumeTimes());
            }
            last.set(System.nanoTime());
            count.incrementAndGet();
            return rejected != 0 && number % rejected == 0 && message.getReconsumeTimes() == 0 ? ConsumeConcurrentlyStatus.RECONSUME_LATER
                : ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        });
        consumer.start();
        while (count.get() < most && System.nanoTime() - last.get() < Long.parseLong(a[5]) * 1000000) {
            Thread.sleep(50);
        }
        Thread.sleep(300); // what was given back is on its way
        consumer.shutdown(); // says how far it came
    }
}
