// Every bit and every length of the small structures of a tiny store, through run_verify: consume queue units, index
// file, checkpoint, abort file. (The log's own: tests/scan; index files by themselves: index_damage_test.)
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "libstore/bytes/big_endian.h"
#include "libstore/forensics/verify.h"
#include "libstore/format/consume_queue_entry.h"
#include "libstore/format/store_checkpoint.h"
#include "libstore/testing/memory_file_system.h"
#include "libstore/testing/store_builder.h"
#include "tests/scan/oracle_store.h"

namespace rmq::forensics {
namespace {

using ::testing::IsEmpty;

constexpr std::int64_t kMessages = 9;
constexpr std::int64_t kQueueFileSize = 80;  // four units
constexpr std::int32_t kSlots = 7;
constexpr std::int32_t kIndexEntries = 40;

class SmallStructures : public ::testing::Test {
 protected:
  SmallStructures() {
    testing::StoreBuilderOptions options;
    options.root = (directory_.path() / "store").string();
    options.log_file_size = 4096;
    options.queue_file_size = kQueueFileSize;
    options.index_slots = kSlots;
    options.index_entries = kIndexEntries;
    {
      testing::StoreBuilder builder(options);
      for (std::int64_t i = 0; i < kMessages; ++i) {
        format::MessageRecord record;
        record.topic = "Topic";
        record.store_timestamp = record.born_timestamp = 1'700'000'000'000 + i * 1000;
        record.properties = "TAGS\x01T\x02KEYS\x01k" + std::to_string(i / 2) + "\x02UNIQ_KEY\x01u" + std::to_string(i) + "\x02";
        record.body.assign(50, std::byte{0x5A});
        builder.put(record);
      }
      builder.close();
    }
    root_ = options.root;
    good_.load(root_);
    files_ = good_;
  }

  [[nodiscard]] std::vector<std::byte>& bytes(const std::string& shown) { return files_.files.at(root_ + "/" + shown).bytes; }
  void restore(const std::string& shown) { files_.files[root_ + "/" + shown] = good_.files.at(root_ + "/" + shown); }

  [[nodiscard]] std::string only_file_of(const std::string& folder) const {
    for (const auto& [path, file] : good_.files) {
      if (path.starts_with(root_ + "/" + folder)) return path.substr(root_.size() + 1);
    }
    return {};
  }

  std::vector<Finding> verify() {
    scan::StoreConfig config;
    config.root = root_;
    const auto survey = scan::survey_store(files_, config);
    std::vector<Finding> findings;
    if (!survey) return findings;
    VerifyOptions options;
    options.level = VerifyLevel::deep;
    summary_ = run_verify(files_, *survey, options, [&](const Finding& finding) { findings.push_back(finding); });
    EXPECT_LE(summary_.bytes_checked, summary_.bytes_expected);
    EXPECT_EQ(summary_.clean, summary_.worst == Severity::benign && !summary_.unclean_stop && !summary_.read_errors);
    std::erase_if(findings, [](const Finding& finding) { return finding.severity == Severity::benign; });
    return findings;
  }

  static std::string shown(const std::vector<Finding>& findings) {
    std::string text;
    for (const Finding& f : findings) {
      text += std::string(f.code) + " " + f.file + " " + std::to_string(f.offset) + "+" + std::to_string(f.length) + " " +
              f.message + "\n";
    }
    return text;
  }

  testing::TestDirectory directory_;
  std::string root_;
  testing::MemoryFileSystem good_;
  testing::MemoryFileSystem files_;
  VerifySummary summary_;
};

TEST_F(SmallStructures, WhatWasWrittenIsClean) {
  EXPECT_THAT(shown(verify()), IsEmpty());
  EXPECT_TRUE(summary_.clean);
  EXPECT_EQ(summary_.records, kMessages);
}

TEST_F(SmallStructures, EveryBitOfEveryQueueUnitIsNamedWhereItIs) {
  std::int64_t units = 0;
  for (const char* name : {"consumequeue/Topic/0/00000000000000000000", "consumequeue/Topic/0/00000000000000000080",
                           "consumequeue/Topic/0/00000000000000000160"}) {
    for (std::size_t at = 0; at < kQueueFileSize && units * 20 + static_cast<std::int64_t>(at % 20) < kMessages * 20; ++at) {
      for (int bit = 0; bit < 8; ++bit) {
        bytes(name)[at] ^= static_cast<std::byte>(1 << bit);
        const auto findings = verify();
        const auto place = static_cast<std::int64_t>(at);
        EXPECT_EQ(findings.size(), 1U) << name << " byte " << at << " bit " << bit << "\n" << shown(findings);
        EXPECT_TRUE(std::ranges::any_of(findings, [&](const Finding& finding) {
          return finding.code.starts_with("CQ-") && finding.file == name && finding.offset <= place &&
                 place < finding.offset + finding.length;
        })) << name << " byte " << at << " bit " << bit << "\n" << shown(findings);
        bytes(name)[at] ^= static_cast<std::byte>(1 << bit);
      }
      if (at % 20 == 19) ++units;
    }
  }
  EXPECT_EQ(units, kMessages);
}

TEST_F(SmallStructures, EveryLengthOfAQueueFileIsNoticed) {
  for (const char* name : {"consumequeue/Topic/0/00000000000000000000", "consumequeue/Topic/0/00000000000000000160"}) {
    for (std::size_t size = 0; size < kQueueFileSize; ++size) {
      bytes(name).resize(size);
      const auto findings = verify();
      EXPECT_TRUE(std::ranges::any_of(findings, [&](const Finding& finding) {
        return finding.code.starts_with("CQ-") && finding.file == name;
      })) << name << " of " << size << " bytes\n" << shown(findings);
      restore(name);
    }
  }
}

TEST_F(SmallStructures, EveryUsedBitOfTheIndexIsNoticed) {
  const std::string name = only_file_of("index/");
  const auto header = *format::IndexHeader::parse(bytes(name));
  const std::int64_t entries = format::index_entry_position(kSlots, 0);
  const std::int64_t end = format::index_entry_position(kSlots, header.index_count);
  for (std::int64_t at = 0; at < end; ++at) {
    if (at >= entries && at < entries + format::kIndexEntrySize) continue;  // entry 0: nobody reads it
    // The oldest file's first entry counts its time from the end of a file that may have expired.
    if (at >= entries + format::kIndexEntrySize + 12 && at < entries + format::kIndexEntrySize + 16) continue;
    for (int bit = 0; bit < 8; ++bit) {
      bytes(name)[static_cast<std::size_t>(at)] ^= static_cast<std::byte>(1 << bit);
      const auto findings = verify();
      EXPECT_FALSE(findings.empty()) << "byte " << at << " bit " << bit;
      for (const Finding& finding : findings) EXPECT_TRUE(finding.code.starts_with("IX-")) << shown(findings);
      bytes(name)[static_cast<std::size_t>(at)] ^= static_cast<std::byte>(1 << bit);
    }
  }
}

TEST_F(SmallStructures, EveryLengthOfTheIndexIsNoticed) {
  const std::string name = only_file_of("index/");
  const std::size_t whole = bytes(name).size();
  const std::int64_t used = format::index_entry_position(kSlots, format::IndexHeader::parse(bytes(name))->index_count);
  for (std::size_t size = 0; size < whole; ++size) {
    // A single index file that is whole entries shorter, all used ones still there, is one with a smaller maxIndexNum.
    const auto behind = static_cast<std::int64_t>(size) - used;
    if (behind >= 0 && behind % format::kIndexEntrySize == 0) continue;
    bytes(name).resize(size);
    const auto findings = verify();
    EXPECT_TRUE(std::ranges::any_of(findings, [&](const Finding& finding) { return finding.code.starts_with("IX-"); }))
        << size << " bytes\n" << shown(findings);
    restore(name);
  }
}

// A time that was made earlier only makes the next recovery longer; one that was made later is dangerous.
TEST_F(SmallStructures, EveryBitOfTheCheckpoint) {
  const auto good = format::StoreCheckpoint::read(bytes("checkpoint"));
  for (std::size_t at = 0; at < format::kCheckpointFileSize; at += at < 48 ? 1 : 97) {
    for (int bit = 0; bit < 8; ++bit) {
      bytes("checkpoint")[at] ^= static_cast<std::byte>(1 << bit);
      const auto now = format::StoreCheckpoint::read(bytes("checkpoint"));
      const std::int64_t newest = good.physic_msg_timestamp;
      const bool ahead = now.physic_msg_timestamp > newest || now.logics_msg_timestamp > newest || now.index_msg_timestamp > newest;
      const auto findings = verify();
      EXPECT_EQ(ahead, !findings.empty()) << "byte " << at << " bit " << bit << "\n" << shown(findings);
      for (const Finding& finding : findings) EXPECT_EQ(finding.code, "CK-FUTURE");
      bytes("checkpoint")[at] ^= static_cast<std::byte>(1 << bit);
    }
  }
}

TEST_F(SmallStructures, EveryLengthOfTheCheckpointAndOfTheAbortFile) {
  for (std::size_t size = 0; size < format::kCheckpointFileSize; size += size < 64 ? 1 : 61) {
    bytes("checkpoint").resize(size);
    const auto findings = verify();
    EXPECT_EQ(findings.size(), 1U) << size << " bytes\n" << shown(findings);
    for (const Finding& finding : findings) EXPECT_EQ(finding.code, "CK-SIZE");
    restore("checkpoint");
  }
  for (const std::string text : {"", "1", "4711", "-3", "99999999999999999999", "\xff\xfe"}) {
    auto& abort = files_.files[root_ + "/abort"].bytes;
    abort.assign(as_bytes(text).begin(), as_bytes(text).end());
    EXPECT_THAT(shown(verify()), IsEmpty()) << text;
    EXPECT_TRUE(summary_.unclean_stop);
  }
}

}  // namespace
}  // namespace rmq::forensics
