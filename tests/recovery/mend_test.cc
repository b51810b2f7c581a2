#include "libstore/recovery/mend.h"

#include <gtest/gtest.h>

#include "libstore/bytes/big_endian.h"
#include "libstore/format/message_properties.h"
#include "libstore/recovery/bridge.h"

namespace rmq::recovery {
namespace {

constexpr std::int64_t kOffset = 4096;

std::vector<std::byte> record(bool property_crc = false) {
  format::MessageRecord one;
  one.queue_id = 3;
  one.queue_offset = 17;
  one.physical_offset = kOffset;
  one.born_timestamp = one.store_timestamp = 1'700'000'000'000;
  one.topic = "Orders";
  one.properties = "TAGS\1paid\2UNIQ_KEY\1u17\2";
  const std::string body = "what was bought, by whom, and for how much";
  one.body.assign(as_bytes(body).begin(), as_bytes(body).end());
  one.append_property_crc = property_crc;
  return *format::encode(one);
}

// One wrong field at a time comes back as it was.
TEST(Mend, EveryFieldThatTheRestProves) {
  const std::vector<std::byte> right = record();
  const std::size_t body_length = 84;
  for (const std::size_t field :
       {std::size_t{0}, std::size_t{4}, std::size_t{32}, std::size_t{36}, body_length}) {
    for (const std::uint32_t value : {0U, 0x7FFFFFFFU, 0xFFFFFFFFU, 0x10U}) {
      std::vector<std::byte> wrong = right;
      store_be(wrong.data() + field, static_cast<std::int32_t>(value));
      if (wrong == right) continue;
      const auto mended = mend_record(wrong, kOffset);
      if (field == 36 && value != 0x10U) continue;  // other bits of sysFlag are nobody's to know
      ASSERT_TRUE(mended) << field << " " << value;
      EXPECT_EQ(mended->record, right) << field << " " << value;
    }
  }
}

TEST(Mend, EveryBitOfTheBodyAndOfItsChecksum) {
  const std::vector<std::byte> right = record();
  const auto message = *format::MessageView::parse(right);
  const auto body = static_cast<std::size_t>(message.body.data() - right.data());
  std::vector<std::size_t> bytes{8, 9, 10, 11};
  for (std::size_t i = 0; i < message.body.size(); ++i) bytes.push_back(body + i);
  for (const std::size_t byte : bytes) {
    for (int bit = 0; bit < 8; ++bit) {
      if (byte == 8 && bit == 7) continue;  // Java leaves the checksum's sign out
      std::vector<std::byte> wrong = right;
      wrong[byte] ^= std::byte{1} << bit;
      const auto mended = mend_record(wrong, kOffset);
      ASSERT_TRUE(mended) << byte << " " << bit;
      EXPECT_EQ(mended->record, right);
    }
  }
}

TEST(Mend, APortThatNoAddressHas) {
  const std::vector<std::byte> right = record();
  for (const std::size_t port : {std::size_t{52}, std::size_t{68}}) {
    std::vector<std::byte> wrong = right;
    wrong[port] ^= std::byte{2};
    wrong[port + 1] ^= std::byte{0x81};
    EXPECT_FALSE(has_real_ports(*format::MessageView::parse(wrong)));
    const auto mended = mend_record(wrong, kOffset);
    ASSERT_TRUE(mended) << port;
    EXPECT_EQ(mended->record, right);
    wrong[100] ^= std::byte{1};  // another damage beside it, which is not explained
    EXPECT_FALSE(mend_record(wrong, kOffset)) << port;
  }
}

TEST(Mend, NothingIsGuessed) {
  const std::vector<std::byte> right = record();
  EXPECT_FALSE(mend_record(right, kOffset));  // nothing is wrong with it
  std::vector<std::byte> two = right;
  two[90] ^= std::byte{1};
  two[95] ^= std::byte{4};
  EXPECT_FALSE(mend_record(two, kOffset));
  std::vector<std::byte> sum = right;
  store_be(sum.data() + 8, std::int32_t{0x12345678});
  EXPECT_FALSE(mend_record(sum, kOffset));
  for (std::size_t size = 0; size < right.size(); ++size)
    EXPECT_FALSE(mend_record(std::span(right).first(size), kOffset)) << size;
}

// A body that fits its checksum by a second damage is not taken where the record has a checksum of its own.
TEST(Mend, APropertyChecksumMustMatchToo) {
  std::vector<std::byte> wrong = record(true);
  wrong[90] ^= std::byte{1};
  ASSERT_TRUE(mend_record(wrong, kOffset));
  EXPECT_EQ(mend_record(wrong, kOffset)->record, record(true));
  wrong[20] ^= std::byte{1};  // the queue offset, which the property checksum covers
  EXPECT_FALSE(mend_record(wrong, kOffset));
}

// ---- bridges

std::int64_t walk(const std::vector<BridgeRecord>& records, std::int64_t from) {
  std::int64_t at = from;
  for (const BridgeRecord& one : records) {
    EXPECT_EQ(one.log_offset, at);
    const auto bytes = encode_bridge(one, 1'700'000'000'000);
    if (one.kind == BridgeRecord::Kind::blank) {
      EXPECT_EQ(format::BlankView::parse(bytes)->size, one.size);
    } else {
      EXPECT_LE(one.size, kLargestFiller);
      EXPECT_EQ(std::ssize(bytes), one.size);
      const auto message = format::MessageView::parse(bytes);
      EXPECT_TRUE(message) << "at " << at;
      if (!message) return -1;
      EXPECT_TRUE(message->body_crc_matches());
      EXPECT_EQ(message->physical_offset, at);
      EXPECT_EQ(format::enters_consume_queue(message->sys_flag), one.kind == BridgeRecord::Kind::placeholder);
    }
    at += one.size;
  }
  return at;
}

TEST(Bridge, EveryLengthIsFilledExactly) {
  const std::vector<Slot> slots{{"Orders", 1, 7, 1, false}, {"Orders", 1, 8, 1, false}};
  int without_room = 0;
  for (std::int64_t length = 1; length < 1200; ++length) {
    for (const bool to_file_end : {false, true}) {
      const auto records = plan_bridge(100, 100 + length, to_file_end, slots);
      if (!records) {
        ++without_room;
        continue;
      }
      EXPECT_EQ(walk(*records, 100), 100 + length) << length;
      EXPECT_EQ(records->back().kind == BridgeRecord::Kind::blank, to_file_end);
    }
  }
  // 2 * (91 + the topic) bytes hold both, without a mark; a few lengths above leave a rest too small for all.
  EXPECT_LT(without_room, 2 * 2 * 97 + 2 * 120);
}

TEST(Bridge, LongRangesHaveFillersThatStockCanAllocate) {
  for (const std::int64_t length :
       {kLargestFiller, kLargestFiller + 1, kLargestFiller + 50, 3 * kLargestFiller + 7}) {
    const auto records = plan_bridge(0, length, false, {});
    ASSERT_TRUE(records);
    EXPECT_EQ(walk(*records, 0), length);
  }
}

TEST(Bridge, LongTopicsAndBatches) {
  const std::vector<Slot> slots{{std::string(200, 't'), 0, 1, 1, false}, {"Batches", 2, 40, 5, true}};
  const auto records = plan_bridge(0, 2000, false, slots);
  ASSERT_TRUE(records);
  EXPECT_EQ(walk(*records, 0), 2000);
  const auto bytes = encode_bridge((*records)[1], 1);
  const auto batch = *format::MessageView::parse(bytes);
  EXPECT_EQ(format::find_property(batch.properties, format::kPropertyInnerNum), "5");
  EXPECT_EQ(format::find_property(batch.properties, format::kPropertyInnerBase), "40");
}

}  // namespace
}  // namespace rmq::recovery
