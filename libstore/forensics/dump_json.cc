#include "libstore/forensics/dump_json.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "libstore/bytes/big_endian.h"
#include "libstore/codec/body_codec.h"
#include "libstore/codec/sha256.h"
#include "libstore/format/message_properties.h"
#include "libstore/format/sys_flag.h"

namespace rmq::forensics {
namespace {

constexpr std::string_view kUpperHex = "0123456789ABCDEF";
constexpr std::string_view kLowerHex = "0123456789abcdef";
constexpr std::string_view kBase64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

// Two base64 characters for every 12 bits.
constexpr auto kBase64Pairs = [] {
  std::array<std::array<char, 2>, 4096> pairs{};
  for (std::size_t i = 0; i < pairs.size(); ++i) pairs[i] = {kBase64[i >> 6], kBase64[i & 63]};
  return pairs;
}();

// Sorted, for binary search.
constexpr std::array<std::string_view, 59> kSystemProperties{"1ST_POP_TIME",
                                                             "ARRIVE_TIME",
                                                             "BORN_TIMESTAMP",
                                                             "BUYER_ID",
                                                             "CHECK_IMMUNITY_TIME_IN_SECONDS",
                                                             "CLUSTER",
                                                             "CONSUME_START_TIME",
                                                             "CORRECTION_FLAG",
                                                             "CORRELATION_ID",
                                                             "DELAY",
                                                             "DLQ_ORIGIN_MESSAGE_ID",
                                                             "DLQ_ORIGIN_TOPIC",
                                                             "DUP_INFO",
                                                             "EXTEND_UNIQ_INFO",
                                                             "INNER_BASE",
                                                             "INNER_MULTI_DISPATCH",
                                                             "INNER_MULTI_QUEUE_OFFSET",
                                                             "INNER_NUM",
                                                             "INSTANCE_ID",
                                                             "KEYS",
                                                             "MAX_OFFSET",
                                                             "MAX_RECONSUME_TIMES",
                                                             "MIN_OFFSET",
                                                             "MQ2_FLAG",
                                                             "MSG_REGION",
                                                             "MSG_TYPE",
                                                             "ORIGIN_MESSAGE_ID",
                                                             "PGROUP",
                                                             "POP_CK",
                                                             "POP_CK_OFFSET",
                                                             "PROPERTY_FORWARD_QUEUE_ID",
                                                             "PUSH_REPLY_TIME",
                                                             "REAL_QID",
                                                             "REAL_TOPIC",
                                                             "RECONSUME_TIME",
                                                             "REDIRECT",
                                                             "REPLY_TO_CLIENT",
                                                             "RETRY_TOPIC",
                                                             "TAGS",
                                                             "TIMER_DELAY_LEVEL",
                                                             "TIMER_DELAY_MS",
                                                             "TIMER_DELAY_SEC",
                                                             "TIMER_DELIVER_MS",
                                                             "TIMER_DEL_UNIQKEY",
                                                             "TIMER_DEQUEUE_MS",
                                                             "TIMER_ENQUEUE_MS",
                                                             "TIMER_OUT_MS",
                                                             "TIMER_ROLL_TIMES",
                                                             "TRACE_CONTEXT",
                                                             "TRACE_ON",
                                                             "TRANSACTION_CHECK_TIMES",
                                                             "TRANSFER_FLAG",
                                                             "TRAN_MSG",
                                                             "TRAN_PREPARED_QUEUE_OFFSET",
                                                             "TTL",
                                                             "UNIQ_KEY",
                                                             "WAIT",
                                                             "__BORNHOST",
                                                             "__SHARDINGKEY"};

char* put_hex(char* at, std::span<const std::byte> bytes, std::string_view digits) {
  for (const std::byte b : bytes) {
    *at++ = digits[std::to_integer<std::size_t>(b >> 4)];
    *at++ = digits[std::to_integer<std::size_t>(b & std::byte{15})];
  }
  return at;
}

// A quoted "a.b.c.d:port" without an allocation; other addresses go the long way.
void host_field(json::JsonLine& out, std::string_view name, const format::HostView& host) {
  out.key(name);
  if (host.address.size() != 4) {
    out.value(format::to_string(host));
    return;
  }
  std::array<char, 40> text;
  char* at = text.data();
  *at++ = '"';
  for (std::size_t i = 0; i < 4; ++i) {
    if (i != 0) *at++ = '.';
    at = std::to_chars(at, at + 4, std::to_integer<unsigned>(host.address[i])).ptr;
  }
  *at++ = ':';
  at = std::to_chars(at, at + 12, host.port).ptr;
  *at++ = '"';
  out.raw({text.data(), static_cast<std::size_t>(at - text.data())});
}

// MessageDecoder.createMessageId: store host and the offset the record names.
void message_id_field(json::JsonLine& out, const format::MessageView& message) {
  std::array<std::byte, 28> id;
  const std::size_t address = std::min<std::size_t>(message.store_host.address.size(), 16);
  std::copy_n(message.store_host.address.begin(), address, id.begin());
  store_be(id.data() + address, message.store_host.port);
  store_be(id.data() + address + 4, message.physical_offset);
  std::array<char, 58> text;
  char* at = text.data();
  *at++ = '"';
  at = put_hex(at, std::span<const std::byte>(id).first(address + 12), kUpperHex);
  *at++ = '"';
  out.key("offsetMsgId");
  out.raw({text.data(), static_cast<std::size_t>(at - text.data())});
}

void text_or_null(json::JsonLine& out, std::string_view name, const std::optional<std::string_view>& text) {
  out.key(name);
  if (text) {
    out.value(*text);
  } else {
    out.value(nullptr);
  }
}

}  // namespace

bool is_system_property(std::string_view name) {
  return name.starts_with("__RMQ.TRANSIENT.") || name == "__CRC32#" || name == "__transactionId__" ||
         std::ranges::binary_search(kSystemProperties, name);
}

void append_base64(std::string& out, std::span<const std::byte> bytes) {
  const std::size_t before = out.size();
  out.resize(before + (bytes.size() + 2) / 3 * 4);
  char* at = out.data() + before;
  const auto byte = [&](std::size_t i) { return std::to_integer<unsigned>(bytes[i]); };
  const auto pair = [&](unsigned bits) {
    *at++ = kBase64Pairs[bits][0];
    *at++ = kBase64Pairs[bits][1];
  };
  std::size_t i = 0;
  for (; i + 3 <= bytes.size(); i += 3) {
    pair(byte(i) << 4 | byte(i + 1) >> 4);
    pair((byte(i + 1) & 15) << 8 | byte(i + 2));
  }
  if (bytes.size() - i == 1) {
    pair(byte(i) << 4);
    *at++ = '=';
    *at++ = '=';
  } else if (bytes.size() - i == 2) {
    pair(byte(i) << 4 | byte(i + 1) >> 4);
    *at++ = kBase64[(byte(i + 1) & 15) << 2];
    *at++ = '=';
  }
}

void append_hex(std::string& out, std::span<const std::byte> bytes) {
  const std::size_t before = out.size();
  out.resize(before + bytes.size() * 2);
  put_hex(out.data() + before, bytes, kLowerHex);
}

std::optional<std::span<const std::byte>> body_to_print(const DumpOptions& options,
                                                        const format::MessageView& message,
                                                        std::vector<std::byte>& plain) {
  if (!options.decompress || (message.sys_flag & format::kSysFlagCompressed) == 0) return message.body;
  auto decoded = codec::decompress(message.sys_flag, message.body);
  if (!decoded) return std::nullopt;
  plain = *std::move(decoded);
  return std::span<const std::byte>(plain);
}

void begin_line(json::JsonLine& out, std::string_view kind) {
  out.begin_object();
  out.field("kind", kind);
  out.field("schema", kDumpSchema);
}

void end_line(json::JsonLine& out) {
  out.end_object();
  out.end_line();
}

void RecordJson::line(json::JsonLine& out, const DumpRecord& record) {
  begin_line(out, "record");
  fields(out, record);
  end_line(out);
}

void RecordJson::fields(json::JsonLine& out, const DumpRecord& record) {
  const format::MessageView& m = record.message;
  JoinedUnits units;
  units.known = queues_ != nullptr;
  if (units.known) units = join_queues(*queues_, record);
  const format::StoreProperties found = format::store_properties(m.properties);
  out.field("phyOffset", record.phy_offset);
  out.field("size", m.total_size);
  out.field("file", record.file);
  out.field("version", static_cast<std::int32_t>(m.version));
  out.field("topic", m.topic);
  out.field("queueId", m.queue_id);
  out.field("queueOffset", m.queue_offset);
  if (options_.join) {
    out.key("tagsCode");
    if (units.tags_code) {
      out.value(*units.tags_code);
    } else {
      out.value(nullptr);
    }
  }
  text_or_null(out, "keys", found.keys);
  text_or_null(out, "tags", found.tags);
  text_or_null(out, "uniqKey", found.uniq_key);
  message_id_field(out, m);
  host_field(out, "bornHost", m.born_host);
  host_field(out, "storeHost", m.store_host);
  out.field("bornTimestamp", m.born_timestamp);
  out.field("storeTimestamp", m.store_timestamp);
  out.field("sysFlag", m.sys_flag);
  out.field("flag", m.flag);
  out.field("reconsumeTimes", m.reconsume_times);
  out.field("preparedTransactionOffset", m.prepared_transaction_offset);
  out.field("storedPhyOffset", m.physical_offset);
  if (options_.properties != PropertyForm::none) properties(out, m);
  out.field("bodyCRC", m.body_crc);
  out.field("bodyCRCOk", m.body_crc_matches());
  out.field("bodySize", m.body.size());
  body(out, record);
  if (record.dledger) {
    out.key("dledger");
    out.begin_object();
    out.field("pos", record.dledger->pos);
    out.field("size", record.dledger->size);
    out.field("index", record.dledger->index);
    out.field("term", record.dledger->term);
    out.field("channel", record.dledger->channel);
    out.field("chainCrc", record.dledger->chain_crc);
    out.field("bodyCrc", record.dledger->body_crc);
    out.end_object();
  }
  if (record.duplicate_of) out.field("duplicateOf", *record.duplicate_of);
  if (options_.join) joined(out, units);
}

// As Java's TreeMap prints it: sorted, the last value of a name that stands twice.
void RecordJson::properties(json::JsonLine& out, const format::MessageView& message) {
  sorted_.clear();
  format::PropertyReader reader(message.properties);
  while (const auto property = reader.next()) {
    if (options_.properties == PropertyForm::user && is_system_property(property->name)) continue;
    const auto place =
        std::ranges::lower_bound(sorted_, property->name, {}, [](const auto& pair) { return pair.first; });
    if (place != sorted_.end() && place->first == property->name) {
      place->second = property->value;
    } else {
      sorted_.insert(place, {property->name, property->value});
    }
  }
  out.key("properties");
  out.begin_object();
  for (const auto& [name, value] : sorted_) {
    out.any_key(name);
    out.value(value);
  }
  out.end_object();
}

void RecordJson::body(json::JsonLine& out, const DumpRecord& record) {
  const format::MessageView& m = record.message;
  if (options_.hash) {
    const bool compressed = (m.sys_flag & format::kSysFlagCompressed) != 0;
    const std::string stored = codec::sha256_hex(m.body);
    out.field("bodySha256", stored);
    const auto decoded =
        compressed ? codec::decompress(m.sys_flag, m.body) : Decoded<std::vector<std::byte>>{};
    out.key("plainBodySize");
    if (!compressed) {
      out.value(m.body.size());
      out.field("plainBodySha256", stored);
    } else if (decoded) {
      out.value(decoded->size());
      out.field("plainBodySha256", codec::sha256_hex(*decoded));
    } else {
      out.value(nullptr);
      out.field("plainBodySha256", nullptr);
    }
  }
  if (options_.body == BodyForm::none) return;
  std::vector<std::byte> plain;
  const auto bytes = body_to_print(options_, m, plain);
  scratch_.clear();
  switch (options_.body) {
    case BodyForm::base64:
      out.key("bodyBase64");
      if (bytes) append_base64(scratch_, *bytes);
      break;
    case BodyForm::hex:
      out.key("bodyHex");
      if (bytes) append_hex(scratch_, *bytes);
      break;
    case BodyForm::text: out.key("body"); break;
    case BodyForm::file: out.key("bodyFile"); break;
    case BodyForm::none: break;
  }
  if (!bytes) {
    out.value(nullptr);
  } else if (options_.body == BodyForm::text) {
    out.value(as_text(*bytes));
  } else if (options_.body == BodyForm::file) {
    const auto path = options_.body_writer(format::offset_message_id(m), *bytes);
    if (path) {
      out.value(*path);
    } else {
      out.value(nullptr);
      out.field("bodyFileError", path.error().message());
    }
  } else {
    out.value(scratch_);
  }
  if (options_.body == BodyForm::base64) {
    scratch_.clear();
    append_base64(scratch_, as_bytes(m.properties));
    out.field("propertiesBase64", scratch_);
  }
}

void RecordJson::joined(json::JsonLine& out, const JoinedUnits& units) {
  if (!units.known) return;
  if (units.batch_num) {
    out.field("batchNum", *units.batch_num);
    out.field("cqQueueOffset", units.unit_queue_offset);
  }
  if (units.compaction_log_offset) out.field("compactionLogOffset", *units.compaction_log_offset);
  out.field("inCq", units.in_queue);
  if (!units.others.empty()) {
    out.key("otherQueues");
    out.begin_array();
    for (const OtherQueue& other : units.others) {
      out.begin_object();
      out.field("topic", other.topic);
      out.field("queueId", other.queue_id);
      out.field("queueOffset", other.queue_offset);
      out.end_object();
    }
    out.end_array();
  }
  out.field("readable", units.readable);
}

void gap_line(json::JsonLine& out, const DumpGap& gap) {
  begin_line(out, "gap");
  out.field("from", gap.from);
  out.field("to", gap.to);
  out.field("file", gap.file);
  out.field("looksLike", gap.looks_like);
  if (gap.stale_records != 0) out.field("staleRecords", gap.stale_records);
  end_line(out);
}

}  // namespace rmq::forensics
