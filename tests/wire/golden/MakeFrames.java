// Prints what Java writes and reads: frames of RemotingCommand in both serialize types, and Java's verdict on
// headers that somebody else wrote. Made golden.txt:
//   javac -cp 'LIB/*' MakeFrames.java && java -Drocketmq.remoting.version=479 -cp 'LIB/*:.' MakeFrames > golden.txt
// with LIB the jars of org.apache.rocketmq:rocketmq-remoting:5.3.3.
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.TreeMap;
import org.apache.rocketmq.remoting.protocol.RemotingCommand;
import org.apache.rocketmq.remoting.protocol.SerializeType;

public class MakeFrames {
    static final char[] HEX = "0123456789abcdef".toCharArray();

    static String hex(byte[] bytes) {
        if (bytes == null || bytes.length == 0) return "-";
        StringBuilder out = new StringBuilder();
        for (byte b : bytes) out.append(HEX[(b >> 4) & 15]).append(HEX[b & 15]);
        return out.toString();
    }

    static String text(String s) {
        return s == null ? "null" : hex(s.getBytes(StandardCharsets.UTF_8));
    }

    // "encode NAME TYPE response|request|oneway CODE OPAQUE REMARK FIELDS BODY FRAME"; FIELDS is name=value,... in hex.
    static void encode(String name, SerializeType type, String kind, int code, int opaque, String remark,
                       String[] fields, String body) {
        RemotingCommand command = kind.equals("response")
            ? RemotingCommand.createResponseCommand(code, remark)
            : RemotingCommand.createRequestCommand(code, null);
        command.setOpaque(opaque);
        command.setRemark(remark);
        if (kind.equals("oneway")) command.markOnewayRPC();
        command.setSerializeTypeCurrentRPC(type);
        StringBuilder list = new StringBuilder();
        if (fields.length > 0) {
            LinkedHashMap<String, String> map = new LinkedHashMap<>();
            for (int i = 0; i < fields.length; i += 2) {
                map.put(fields[i], fields[i + 1]);
                list.append(i == 0 ? "" : ",").append(text(fields[i])).append('=').append(text(fields[i + 1]));
            }
            command.setExtFields(map);
        }
        if (body != null) command.setBody(body.getBytes(StandardCharsets.UTF_8));
        ByteBuffer frame = command.encode();
        System.out.println(String.join(" ", "encode", name, type.name(), kind, "" + code, "" + opaque, text(remark),
            list.length() == 0 ? "none" : list.toString(), hex(command.getBody()), hex(frame.array())));
    }

    // "decode NAME FRAME" and then "closed", or "CODE LANGUAGE VERSION OPAQUE FLAG REMARK FIELDS BODY".
    static void decode(String name, byte[] frame) {
        String verdict;
        try {
            ByteBuf in = Unpooled.wrappedBuffer(frame, 4, frame.length - 4);
            RemotingCommand c = RemotingCommand.decode(in);
            StringBuilder list = new StringBuilder();
            if (c.getExtFields() != null) {
                TreeMap<String, String> sorted = new TreeMap<>();
                for (Map.Entry<String, String> e : c.getExtFields().entrySet())
                    if (e.getKey() != null && e.getValue() != null) sorted.put(text(e.getKey()), text(e.getValue()));
                sorted.forEach((k, v) -> list.append(list.length() == 0 ? "" : ",").append(k).append('=').append(v));
            }
            verdict = String.join(" ", "" + c.getCode(), "" + c.getLanguage(), "" + c.getVersion(),
                "" + c.getOpaque(), "" + c.getFlag(), text(c.getRemark()),
                list.length() == 0 ? "none" : list.toString(), hex(c.getBody()));
        } catch (Throwable e) {
            verdict = "closed";
        }
        System.out.println("decode " + name + " " + hex(frame) + " " + verdict);
    }

    static byte[] frame(int type, byte[] header, byte[] body) {
        ByteBuffer out = ByteBuffer.allocate(8 + header.length + body.length);
        out.putInt(4 + header.length + body.length).putInt(type << 24 | header.length).put(header).put(body);
        return out.array();
    }

    static int number = 0;

    static void json(String header) {
        decode("json" + number++, frame(0, header.getBytes(StandardCharsets.ISO_8859_1), new byte[] {1, 2}));
    }

    static void jsonUtf8(String header) {
        decode("json" + number++, frame(0, header.getBytes(StandardCharsets.UTF_8), new byte[0]));
    }

    // A ROCKETMQ header: fixed part, then what is given.
    static void binary(int code, int language, String remark, int extLength, byte[] ext) {
        byte[] r = remark == null ? new byte[0] : remark.getBytes(StandardCharsets.UTF_8);
        ByteBuffer out = ByteBuffer.allocate(21 + r.length + ext.length);
        out.putShort((short) code).put((byte) language).putShort((short) 401).putInt(77).putInt(0);
        out.putInt(r.length).put(r).putInt(extLength).put(ext);
        decode("rocketmq" + number++, frame(1, out.array(), new byte[] {9}));
    }

    static byte[] pair(int nameLength, byte[] name, int valueLength, byte[] value) {
        ByteBuffer out = ByteBuffer.allocate(6 + name.length + value.length);
        return out.putShort((short) nameLength).put(name).putInt(valueLength).put(value).array();
    }

    static byte[] bytes(String s) {
        return s.getBytes(StandardCharsets.UTF_8);
    }

    public static void main(String[] args) {
        StringBuilder all = new StringBuilder();
        for (char c = 0; c < 0x180; c++) all.append(c);
        all.append("\u07ff\u0800\u2027\u2028\u2029\u202a\uffff\u4f60\u597d\ud83d\ude00");
        String properties = "KEYS\u0001k1 k2\u0002TAGS\u0001TagA\u0002UNIQ_KEY\u00017F0000010A3B\u0002WAIT\u0001true\u0002";
        for (SerializeType type : SerializeType.values()) {
            encode("success", type, "response", 0, 5, null, new String[0], null);
            encode("remark", type, "response", 17, -1, "topic[\"x\"] not exist, apply first please!\n\t\\", new String[0], null);
            encode("empty_remark", type, "response", 1, 2147483647, "", new String[0], null);
            encode("send_answer", type, "response", 0, 1234567, null,
                new String[] {"queueId", "3", "TRAN_MSG", "false", "msgId", "7F00000100002A9F0000000000000000", "queueOffset", "42"}, null);
            encode("body", type, "response", 0, 9, null, new String[] {"nextBeginOffset", "10"}, "body \u0001 bytes");
            encode("negative_code", type, "response", -1006, 9, "x", new String[] {"a", ""}, null);
            encode("request", type, "request", 103, 0, null, new String[] {"brokerName", "b-a", "clusterName", "c"}, "{}");
            encode("oneway", type, "oneway", 40, 3, null, new String[] {"consumerGroup", "g"}, null);
            encode("no_fields", type, "request", 34, 3, null, new String[0], "{\"clientID\":\"x\"}");
            encode("properties", type, "request", 310, 7, null,
                new String[] {"a", "PG", "b", "TopicTest", "e", "1", "i", properties, "j", "0"}, "0123456789");
            encode("characters", type, "request", 310, 8, all.toString(), new String[] {all.toString(), all.toString()}, null);
            encode("high_code", type, "response", 200050, 8, null, new String[0], null);
        }
        json("{\"code\":310,\"language\":\"JAVA\",\"version\":401,\"opaque\":12,\"flag\":0,\"extFields\":{\"b\":\"T\",\"i\":\"a\\u0001b\\u0002\"},\"serializeTypeCurrentRPC\":\"JSON\"}");
        json("{\"opaque\":\"12\",\"code\":\"10\",\"flag\":\"2\",\"version\":\"1\",\"language\":\"GO\"}");
        json("{\"opaque\":12,\"code\":10,\"language\":9}");
        json("{\"opaque\":12,\"code\":10,\"language\":99}");
        json("{\"opaque\":12,\"code\":10,\"language\":\"KLINGON\"}");
        json("{\"opaque\":12,\"code\":10,\"language\":null,\"remark\":null,\"extFields\":null}");
        json("{\"opaque\":12,\"code\":null}");
        json("{\"opaque\":12,\"code\":1.0}");
        json("{\"opaque\":12,\"code\":1.9}");
        json("{\"opaque\":12,\"code\":1e1}");
        json("{\"opaque\":12,\"code\":99999999999}");
        json("{\"opaque\":12,\"code\":\"abc\"}");
        json("{\"opaque\":12,\"code\":\"\"}");
        json("{\"opaque\":12,\"code\":true}");
        json("{\"opaque\":12,\"code\":[1]}");
        json("{\"opaque\":12,\"code\":10,\"nobody\":{\"knows\":[1,2,{\"a\":\"b\"}]},\"flag\":1}");
        json("{\"opaque\":12,\"code\":10,\"nobody\":5,\"flag\":1}");
        json("{\"opaque\":12,\"code\":10,\"nobody\":true,\"flag\":1}");
        json("{\"opaque\":12,\"code\":10,\"body\":\"AAEC\",\"flag\":1}");
        json("{\"opaque\":12,\"code\":10,\"extFields\":{}}");
        json("{\"opaque\":12,\"code\":10,\"extFields\":{\"n\":5,\"t\":true,\"f\":1.50,\"z\":null,\"o\":{\"a\":1},\"l\":[1,\"x\"],\"s\":\"\"}}");
        json("{\"opaque\":12,\"code\":10,\"extFields\":{\"a\":\"1\",\"a\":\"2\"}}");
        json("{\"opaque\":12,\"code\":10,\"extFields\":\"\"}");
        json("{\"opaque\":12,\"code\":10,\"extFields\":\"{}\"}");
        json("{\"opaque\":12,\"code\":10,\"extFields\":[]}");
        json("{\"opaque\":12,\"code\":10,\"extFields\":{\"a\":\"1\"},\"extFields\":{\"b\":\"2\"}}");
        json("{\"opaque\":12,\"code\":10,\"remark\":5}");
        json("{\"opaque\":12,\"code\":10,\"remark\":\"\\/\\b\\f\\n\\r\\t\\\"\\\\\\u00e9\\u4f60\\ud83d\\ude00\"}");
        json("{\"opaque\":12,\"code\":10,\"remark\":\"\\x41\\v\\'\"}");
        json("{\"opaque\":12,\"code\":10,\"remark\":\"\\ud83d\"}");
        json("{\"opaque\":12,\"code\":10,\"remark\":\"\\q\"}");
        json("{\"opaque\":12,\"code\":10,\"remark\":\"\\u00g1\"}");
        json("{\"opaque\":12,\"code\":10,\"remark\":\"raw \u0001 and \n and \u007f\"}");
        json("{\"opaque\":12,\"code\":10,\"remark\":\"bad utf8 \u00ff\u00c3\"}");
        json("{\"opaque\":12,\"code\":10,\"remark\":\"cut utf8 \u00e4\u00bd\"}");
        jsonUtf8("{\"opaque\":12,\"code\":10,\"remark\":\"\u4f60\u597d \ud83d\ude00 \u00e9\"}");
        jsonUtf8("{\"opaque\":12,\"code\":10,\"extFields\":{\"\u4f60\":\"\u597d\\u0001\"}}");
        json(" {\n \"opaque\" : 12 ,\t\"code\" : 10 } \r\n");
        json("{'opaque':12,code:10}");
        json("{\"opaque\":12,,\"code\":10,}");
        json("{\"opaque\":12,/* why */\"code\":10}");
        json("{}");
        json("");
        json("null");
        json("[]");
        json("5");
        json("\"text\"");
        json("{\"opaque\":12,\"code\":10");
        json("{\"opaque\":12,\"code\":10}}");
        json("{\"opaque\":12,\"code\":10}x");
        json("{\"opaque\":12 \"code\":10}");
        json("{\"opaque\":12,\"code\":10,\"remark\":\"open");
        json("{\"opaque\":12,\"code\":10,\"extFields\":{\"a\":\"1\"}");
        json("{\"opaque\":12,\"code\":-10,\"flag\":-1}");
        json("{\"opaque\":012,\"code\":+10}");
        json("{\"opaque\":12,\"code\":10,\"serializeTypeCurrentRPC\":\"ROCKETMQ\"}");
        json("{\"opaque\":12,\"code\":10,\"serializeTypeCurrentRPC\":\"NONSENSE\"}");
        json("{\"OPAQUE\":12,\"Code\":10}");

        byte[] none = new byte[0];
        binary(310, 0, null, 0, none);
        binary(-1, 9, "remark", 0, none);
        binary(10, 99, null, 0, none);
        binary(10, -1, null, 0, none);
        byte[] good = pair(1, bytes("a"), 2, bytes("bc"));
        binary(10, 1, null, good.length, good);
        binary(10, 1, null, good.length - 1, good);
        binary(10, 1, null, good.length + 1, good);
        binary(10, 1, null, -1, good);
        binary(10, 1, null, 0, good);
        byte[] emptyValue = pair(1, bytes("a"), 0, none);
        binary(10, 1, null, emptyValue.length, emptyValue);
        byte[] emptyName = pair(0, none, 1, bytes("x"));
        binary(10, 1, null, emptyName.length, emptyName);
        byte[] longName = pair(300, bytes("a"), 1, bytes("x"));
        binary(10, 1, null, longName.length, longName);
        byte[] negative = pair(-1, bytes("a"), 1, bytes("x"));
        binary(10, 1, null, negative.length, negative);
        byte[] negativeValue = pair(1, bytes("a"), -1, bytes("x"));
        binary(10, 1, null, negativeValue.length, negativeValue);
        byte[] malformed = pair(2, new byte[] {(byte) 0xC3, 'a'}, 1, new byte[] {(byte) 0xFF});
        binary(10, 1, null, malformed.length, malformed);
        byte[] wide = pair(3, bytes("\u4f60"), 3, bytes("\u597d"));
        binary(10, 1, "\u597d", wide.length, wide);
        decode("type2", frame(2, bytes("{}"), none));
        decode("type255", frame(255, bytes("{}"), none));
        decode("long_header", new byte[] {0, 0, 0, 6, 0, 0, 0, 3, '{', '}'});
        decode("no_head", new byte[] {0, 0, 0, 2, 0, 0});
    }
}
