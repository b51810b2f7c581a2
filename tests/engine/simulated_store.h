// A store on a simulated disk, with a clock that stands still until a test moves it, and no threads.
#pragma once

#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "libstore/bytes/big_endian.h"
#include "libstore/engine/message_store.h"
#include "libstore/forensics/verify.h"
#include "libstore/testing/simulated_file_system.h"

namespace rmq::engine::testing {

class StillClock final : public Clock {
 public:
  [[nodiscard]] std::int64_t now_ms() const override { return now; }
  std::int64_t now = 1'700'000'000'000;
};

inline constexpr std::int64_t kHour = 3'600'000;

class SimulatedStoreTest : public ::testing::Test {
 protected:
  SimulatedStoreTest() { files_.set_write_back(0); }

  [[nodiscard]] StoreOptions options() const {
    StoreOptions all = options_;
    all.config.root = "/store";
    all.config.commit_log_file_size = kLogFile;
    all.config.consume_queue_file_size = 20 * 10;
    all.config.index_slots = 16;
    all.config.index_entries = 40;
    all.background = false;
    all.jobs = 1;
    all.clock = &clock_;
    return all;
  }
  void open() {
    store_.reset();
    auto opened = MessageStore::open(files_, options());
    ASSERT_TRUE(opened) << opened.error().message();
    store_ = std::move(*opened);
  }
  // The process is killed and started again.
  void kill() {
    files_.kill();
    store_.reset();
    files_.restart();
    open();
  }
  void move_clock(std::int64_t by_ms) {
    clock_.now += by_ms;
    files_.set_time(clock_.now);
  }
  // To the next time that clocks here show that hour.
  void move_to_hour(int hour) {
    const std::int64_t there = local_time_ms(clock_.now) % (24 * kHour);
    move_clock((hour * kHour - there + 24 * kHour) % (24 * kHour));
  }

  PutResult put(std::string_view topic, std::string_view key, std::int32_t queue_id = 0,
                std::size_t body = 500, std::int32_t sys_flag = 0, std::string_view more_properties = {}) {
    const std::string text(body, 'b');
    const std::string properties = "UNIQ_KEY\1" + std::string(key) + "\2" + std::string(more_properties);
    format::MessageView message;
    message.topic = topic;
    message.queue_id = queue_id;
    message.sys_flag = sys_flag;
    message.body = as_bytes(text);
    message.properties = properties;
    message.born_host = message.store_host = {address_, 1};
    return store_->put(message);
  }
  // `count` messages; the clock moves by a second with each.
  std::vector<PutResult> put_some(std::string_view topic, int count, std::int32_t queue_id = 0) {
    std::vector<PutResult> puts;
    for (int i = 0; i < count; ++i) {
      puts.push_back(put(topic, std::string(topic) + std::to_string(++number_), queue_id));
      EXPECT_TRUE(puts.back().ok()) << to_string(puts.back().status);
      move_clock(1000);
    }
    return puts;
  }
  [[nodiscard]] GetStatus got(std::string_view topic, std::int64_t queue_offset, std::int32_t queue_id = 0) {
    GetOptions one;
    one.max_messages = 1;
    const auto result = store_->get(topic, queue_id, queue_offset, one);
    EXPECT_TRUE(result) << result.error().message();
    if (!result) return GetStatus::no_matched_logic_queue;
    if (result->status == GetStatus::found) {
      const auto message = format::MessageView::parse(result->bytes);
      EXPECT_TRUE(message && message->topic == topic && message->queue_offset == queue_offset);
    }
    return result->status;
  }
  [[nodiscard]] std::vector<std::string> names(const std::string& directory) const {
    std::vector<std::string> found;
    const auto listed = files_.list(directory);
    if (!listed) return found;
    for (const io::DirectoryEntry& entry : *listed) found.push_back(entry.name);
    return found;
  }
  [[nodiscard]] bool exists(const std::string& path) const { return files_.stat(path).has_value(); }

  // Closes it, and asks rmq-verify.
  void expect_clean() {
    ASSERT_TRUE(store_->close());
    store_.reset();
    scan::StoreConfig config;
    config.root = "/store";
    config.commit_log_directories = options_.config.commit_log_directories;
    const auto survey = scan::survey_store(files_, config);
    ASSERT_TRUE(survey) << survey.error().message();
    forensics::VerifyOptions verify;
    verify.level = forensics::VerifyLevel::deep;
    (void)forensics::run_verify(files_, *survey, verify, [&](const forensics::Finding& finding) {
      EXPECT_EQ(finding.severity, forensics::Severity::benign)
          << finding.code << " " << finding.file << " at " << finding.offset << ": " << finding.message;
    });
  }

  static constexpr std::int64_t kLogFile = 16 << 10;
  rmq::testing::SimulatedFileSystem files_{1};
  StillClock clock_;
  StoreOptions options_;
  std::unique_ptr<MessageStore> store_;
  std::array<std::byte, 4> address_{};
  int number_ = 0;
};

}  // namespace rmq::engine::testing
