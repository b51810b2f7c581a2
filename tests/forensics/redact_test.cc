#include "libstore/forensics/redact.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "libstore/bytes/big_endian.h"
#include "libstore/bytes/crc32.h"
#include "libstore/format/commit_log_record.h"
#include "libstore/format/dledger_entry.h"
#include "libstore/format/property_crc.h"

namespace rmq::forensics {
namespace {

using format::MessageRecord;
using format::MessageView;

constexpr std::string_view kSecret = "the customer's address";

std::vector<std::byte> record_of(std::string_view body, std::int32_t sys_flag = 0, bool append_crc = false) {
  MessageRecord record;
  record.topic = "Orders";
  record.sys_flag = sys_flag;
  record.body.assign(as_bytes(body).begin(), as_bytes(body).end());
  record.properties = "KEYS\1order-1\2TAGS\1t\2customer\1" + std::string(kSecret) + "\2BUYER_ID\1someone's\2";
  record.append_property_crc = append_crc;
  auto bytes = format::encode(record);
  EXPECT_TRUE(bytes);
  return *std::move(bytes);
}

std::vector<std::byte> blanked(std::vector<std::byte> bytes) {
  Redactor redactor;
  EXPECT_EQ(redactor.blank(bytes, true), bytes.size());
  return bytes;
}

TEST(Redact, ARecordKeepsAllButItsWords) {
  const std::vector<std::byte> before = record_of(kSecret, 0, true);
  const std::vector<std::byte> after = blanked(before);
  const auto was = MessageView::parse(before);
  const auto is = MessageView::parse(after);
  ASSERT_TRUE(was && is);
  EXPECT_EQ(as_text(is->body), std::string(kSecret.size(), 'x'));
  EXPECT_TRUE(is->body_crc_matches());
  EXPECT_EQ(is->check_property_crc(after), MessageView::PropertyCrc::matches);
  EXPECT_EQ(is->topic, was->topic);
  EXPECT_TRUE(is->properties.starts_with("KEYS\1order-1\2TAGS\1t\2customer\1" +
                                         std::string(kSecret.size(), 'x') + "\2BUYER_ID\1xxxxxxxxx\2"));
  // The fixed fields but for BODYCRC.
  EXPECT_TRUE(std::equal(before.begin(), before.begin() + 8, after.begin()));
  EXPECT_TRUE(std::equal(before.begin() + 12, before.begin() + 88, after.begin() + 12));
}

TEST(Redact, WhatWasWrongStaysWrong) {
  for (const std::size_t at : {std::size_t{8}, std::size_t{95}}) {  // in BODYCRC, in the body
    std::vector<std::byte> bytes = record_of(kSecret, 0, true);
    bytes[at] ^= std::byte{4};
    const std::vector<std::byte> after = blanked(bytes);
    const auto message = MessageView::parse(after);
    ASSERT_TRUE(message);
    EXPECT_FALSE(message->body_crc_matches());
    EXPECT_EQ(message->check_property_crc(after), MessageView::PropertyCrc::differs);
    EXPECT_EQ(as_text(after).find("customer's"), std::string::npos);
  }
}

TEST(Redact, AnInnerBatchKeepsItsMessages) {
  std::string body;
  for (int i = 0; i < 3; ++i) {
    std::string properties = "user\1secret\2";
    std::vector<std::byte> inner(20 + kSecret.size() + 2 + properties.size());
    store_be(inner.data(), static_cast<std::int32_t>(inner.size()));
    store_be(inner.data() + 16, static_cast<std::int32_t>(kSecret.size()));
    std::ranges::copy(as_bytes(kSecret), inner.begin() + 20);
    store_be(inner.data() + 20 + kSecret.size(), static_cast<std::int16_t>(properties.size()));
    std::ranges::copy(as_bytes(properties), inner.end() - static_cast<std::ptrdiff_t>(properties.size()));
    body += as_text(inner);
  }
  const std::vector<std::byte> after = blanked(record_of(body, format::kSysFlagInnerBatch));
  const auto message = MessageView::parse(after);
  ASSERT_TRUE(message);
  EXPECT_TRUE(message->body_crc_matches());
  const std::byte* at = message->body.data();
  for (int i = 0; i < 3; ++i) {
    const auto size = load_be<std::int32_t>(at);
    const std::string_view inner = as_text({at, static_cast<std::size_t>(size)});
    EXPECT_TRUE(inner.ends_with("user\1xxxxxx\2"));
    EXPECT_EQ(inner.substr(20, kSecret.size()), std::string(kSecret.size(), 'x'));
    at += size;
  }
  // Not a row of messages: blanked as a whole.
  const std::vector<std::byte> other =
      blanked(record_of("no batch at all, whatever the flag says", format::kSysFlagInnerBatch));
  EXPECT_EQ(as_text(other).find("batch"), std::string::npos);
}

TEST(Redact, BytesThatAreNoRecord) {
  std::string text = "12345678 and what a message said";
  text.resize(200);  // zeros
  text += "more words";
  const std::vector<std::byte> after = blanked({as_bytes(text).begin(), as_bytes(text).end()});
  std::string wanted = "12345678" + std::string(24, 'x');
  wanted.resize(200);
  EXPECT_EQ(as_text(after), wanted + std::string(10, 'x'));
}

TEST(Redact, ADamagedRecordKeepsItsFrame) {
  std::vector<std::byte> bytes = record_of(kSecret);
  const std::vector<std::byte> whole = bytes;
  store_be(bytes.data(), static_cast<std::int32_t>(bytes.size()) + 7);  // TOTALSIZE no longer adds up
  const std::vector<std::byte> after = blanked(bytes);
  EXPECT_EQ(as_text(after).find("customer's"), std::string::npos);
  EXPECT_NE(as_text(after).find("Orders"), std::string::npos);
  EXPECT_TRUE(std::equal(bytes.begin(), bytes.begin() + 88, after.begin()));
}

TEST(Redact, ARecordWithoutItsMagicStaysReadable) {
  std::vector<std::byte> bytes = record_of(kSecret);
  store_be(bytes.data() + format::kRecordMagicOffset, format::kMagicBlank);
  std::vector<std::byte> after = blanked(bytes);
  EXPECT_EQ(load_be<std::int32_t>(after.data() + format::kRecordMagicOffset), format::kMagicBlank);
  store_be(after.data() + format::kRecordMagicOffset, format::kMagicV1);
  const auto message = MessageView::parse(after);
  ASSERT_TRUE(message);
  EXPECT_EQ(as_text(message->body), std::string(kSecret.size(), 'x'));
  EXPECT_TRUE(message->body_crc_matches());
}

// Whatever a damaged record claims, the one behind it is whole.
TEST(Redact, ADamagedRecordEndsWhereTheNextBegins) {
  std::vector<std::byte> bytes = record_of(kSecret);
  const std::vector<std::byte> next = record_of("another body, of the next message");
  store_be(bytes.data() + 84, static_cast<std::int32_t>(kSecret.size() + 200));  // BODYLEN
  const std::size_t first = bytes.size();
  bytes.insert(bytes.end(), next.begin(), next.end());
  const std::vector<std::byte> after = blanked(bytes);
  const auto message = MessageView::parse(std::span(after).subspan(first));
  ASSERT_TRUE(message);
  EXPECT_TRUE(message->body_crc_matches());
  EXPECT_EQ(as_text(after).find("customer's"), std::string::npos);
}

// However the bytes come, in pieces of any size, they leave the same.
TEST(Redact, PiecesMakeNoDifference) {
  std::vector<std::byte> log;
  for (int i = 0; i < 20; ++i) {
    const auto record = record_of(std::string(static_cast<std::size_t>(i) * 7, 'b'), 0, i % 2 == 0);
    log.insert(log.end(), record.begin(), record.end());
    if (i % 5 == 0) log.insert(log.end(), 13, std::byte{'?'});
  }
  log.insert(log.end(), 300, std::byte{0});
  const std::vector<std::byte> wanted = blanked(log);
  for (const std::size_t piece : {std::size_t{1}, std::size_t{7}, std::size_t{64}, std::size_t{1000}}) {
    Redactor redactor;
    std::vector<std::byte> held;
    std::vector<std::byte> out;
    for (std::size_t at = 0; at < log.size() || !held.empty();) {
      const std::size_t count = std::min(piece, log.size() - at);
      held.insert(held.end(), log.begin() + static_cast<std::ptrdiff_t>(at),
                  log.begin() + static_cast<std::ptrdiff_t>(at + count));
      at += count;
      const std::size_t done = redactor.blank(held, at == log.size());
      out.insert(out.end(), held.begin(), held.begin() + static_cast<std::ptrdiff_t>(done));
      held.erase(held.begin(), held.begin() + static_cast<std::ptrdiff_t>(done));
    }
    EXPECT_EQ(out, wanted) << piece;
    EXPECT_EQ(redactor.records(), 20);
  }
}

std::vector<std::byte> dledger_entry(std::int64_t index, std::int64_t pos) {
  const std::vector<std::byte> record = record_of(kSecret);
  format::DledgerEntry entry;
  entry.index = index;
  entry.term = 3;
  entry.pos = pos;
  entry.body_size = static_cast<std::int32_t>(record.size());
  entry.size = entry.body_size + static_cast<std::int32_t>(format::kDledgerEntryHeaderSize);
  std::vector<std::byte> bytes(format::kDledgerEntryHeaderSize);
  entry.store(bytes.data());
  bytes.insert(bytes.end(), record.begin(), record.end());
  return bytes;
}

// However the bytes come in.
std::vector<std::byte> blanked_dledger(const std::vector<std::byte>& whole, std::size_t piece) {
  Redactor redactor(true);
  std::vector<std::byte> done;
  std::vector<std::byte> held;
  for (std::size_t at = 0; at < whole.size();) {
    const std::size_t count = std::min(piece, whole.size() - at);
    held.insert(held.end(), whole.begin() + static_cast<std::ptrdiff_t>(at),
                whole.begin() + static_cast<std::ptrdiff_t>(at + count));
    at += count;
    const auto taken = static_cast<std::ptrdiff_t>(redactor.blank(held, at == whole.size()));
    done.insert(done.end(), held.begin(), held.begin() + taken);
    held.erase(held.begin(), held.begin() + taken);
  }
  return done;
}

TEST(Redact, HeadsOfDledgerEntriesStay) {
  std::vector<std::byte> log;
  for (int i = 0; i < 4; ++i) {
    const auto entry = dledger_entry(i, std::ssize(log));
    log.insert(log.end(), entry.begin(), entry.end());
  }
  const std::size_t size = log.size() / 4;
  log.resize(log.size() + 64);  // the blank, and what nobody wrote
  store_be(log.data() + 4 * size, format::kDledgerBlankMagic);
  store_be(log.data() + 4 * size + 4, std::int32_t{64});
  for (const std::size_t damaged : {std::size_t{0}, std::size_t{1}, std::size_t{2}}) {
    std::vector<std::byte> bytes = log;
    // 1: the second entry's head; 2: its record's size and magic, so that the next head stands behind what is
    // none.
    if (damaged == 1) store_be(bytes.data() + size + 4, std::int32_t{-7});
    if (damaged == 2) std::fill_n(bytes.begin() + static_cast<std::ptrdiff_t>(size) + 48, 8, std::byte{7});
    const std::vector<std::byte> after = blanked_dledger(bytes, bytes.size());
    for (const std::size_t piece : {std::size_t{1}, std::size_t{50}, std::size_t{333}})
      EXPECT_EQ(blanked_dledger(bytes, piece), after) << piece;
    EXPECT_EQ(as_text(after).find("customer's"), std::string::npos) << damaged;
    for (std::size_t i = 0; i < 4; ++i) {
      EXPECT_TRUE(std::equal(bytes.begin() + static_cast<std::ptrdiff_t>(i * size),
                             bytes.begin() + static_cast<std::ptrdiff_t>(i * size + 48),
                             after.begin() + static_cast<std::ptrdiff_t>(i * size)))
          << damaged << ' ' << i;
      if (damaged == 2 && i == 1) continue;
      const auto message = MessageView::parse(std::span(after).subspan(i * size + 48, size - 48));
      ASSERT_TRUE(message) << damaged << ' ' << i;
      EXPECT_TRUE(message->body_crc_matches());
    }
    EXPECT_TRUE(std::equal(bytes.end() - 64, bytes.end(), after.end() - 64));
  }
}

}  // namespace
}  // namespace rmq::forensics
