// The queue offset of a queue's last message is damaged in the log: it goes where only it can be meant for,
// whatever it says now, and no queue is taken for one that was deleted and begun anew.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "libstore/bytes/big_endian.h"
#include "libstore/format/commit_log_record.h"
#include "libstore/format/consume_queue_entry.h"
#include "libstore/format/mapped_file_name.h"
#include "libstore/repair/repair_apply.h"
#include "tests/recovery/damaged_store.h"

namespace rmq::repair {
namespace {

using recovery::kLogFile;
using recovery::Message;
using recovery::SimulatedFileSystem;

void write(SimulatedFileSystem& files, const std::string& directory, std::int64_t file_size, std::int64_t at,
           std::span<const std::byte> bytes) {
  auto file = files.open_for_write("/store/" + directory + "/" +
                                   format::mapped_file_name(at / file_size * file_size));
  ASSERT_TRUE(file);
  ASSERT_TRUE((*file)->write_at(at % file_size, bytes));
  ASSERT_TRUE((*file)->sync());
}

Applied repair(SimulatedFileSystem& files) {
  ApplyOptions options;
  options.config.root = "/store";
  options.config.index_slots = recovery::options().config.index_slots;
  options.config.index_entries = recovery::options().config.index_entries;
  options.now_ms = 1'700'000'000'000;
  return apply_repair(files, options);
}

void remove_unit(SimulatedFileSystem& files, const Message& message) {
  const std::array<std::byte, format::kConsumeQueueEntrySize> none{};
  write(files, "consumequeue/Orders/" + std::to_string(message.queue_id),
        *recovery::options().config.consume_queue_file_size,
        message.queue_offset * format::kConsumeQueueEntrySize, none);
}

void expect_all_back(SimulatedFileSystem& files, const std::vector<Message>& messages) {
  const Applied applied = repair(files);
  ASSERT_EQ(applied.fault, ApplyFault::none) << (applied.error ? applied.error->message() : "");
  EXPECT_TRUE(applied.report.plan.recovery.lost.empty());
  recovery::check(files, messages, {});
}

struct Damage {
  std::int64_t says;  // added to the right queue offset; kZero: 0 instead
  bool has_unit;
};
constexpr std::int64_t kZero = INT64_MIN;
constexpr std::int64_t kQueueIdOffset = 12;

class LastQueueOffset : public ::testing::TestWithParam<Damage> {};

TEST_P(LastQueueOffset, GoesWhereItBelongs) {
  for (const std::int32_t queue : {0, 1}) {
    SimulatedFileSystem files(1);
    const std::vector<Message> messages = recovery::fill(files);
    const Message& last = messages[messages.size() - 2 + static_cast<std::size_t>(queue)];
    ASSERT_EQ(last.queue_id, queue);
    std::array<std::byte, 8> says{};
    store_be(says.data(), GetParam().says == kZero ? std::int64_t{0} : last.queue_offset + GetParam().says);
    write(files, "commitlog", kLogFile,
          last.log_offset + static_cast<std::int64_t>(format::kRecordQueueOffsetOffset), says);
    if (!GetParam().has_unit) remove_unit(files, last);
    expect_all_back(files, messages);
  }
}

INSTANTIATE_TEST_SUITE_P(Values, LastQueueOffset,
                         ::testing::Values(Damage{kZero, true}, Damage{kZero, false}, Damage{-1, true},
                                           Damage{-1, false}, Damage{-7, true}, Damage{-7, false},
                                           Damage{1, true}, Damage{3, false}, Damage{1000, true},
                                           Damage{1000, false}, Damage{-1'000'000, true}));

// The same for its queue.
TEST(LastQueueId, GoesWhereItBelongs) {
  for (const std::int32_t queue : {0, 1}) {
    for (const bool has_unit : {true, false}) {
      SimulatedFileSystem files(1);
      const std::vector<Message> messages = recovery::fill(files);
      const Message& last = messages[messages.size() - 2 + static_cast<std::size_t>(queue)];
      std::array<std::byte, 4> says{};
      store_be(says.data(), 1 - queue);
      write(files, "commitlog", kLogFile, last.log_offset + kQueueIdOffset, says);
      if (!has_unit) remove_unit(files, last);
      expect_all_back(files, messages);
    }
  }
}

// A minute passes whenever it is asked.
class MinuteClock final : public engine::Clock {
 public:
  [[nodiscard]] std::int64_t now_ms() const override { return now_ += 60'000; }

 private:
  mutable std::int64_t now_ = 1'700'000'000'000;
};

// Units are gone from long before what the checkpoint leaves to be looked at: an engine that looks at the
// tail alone still serves what lies in front.
TEST(QueueBegunAnew, AtTheTailToo) {
  SimulatedFileSystem files(1);
  engine::StoreOptions options = recovery::options();
  options.config.commit_log_file_size = 2048;
  options.check = recovery::Depth::tail;
  const MinuteClock clock;
  options.clock = &clock;
  constexpr std::int64_t kMessages = 60;
  {
    auto store = engine::MessageStore::open(files, options);
    ASSERT_TRUE(store) << store.error().message();
    const std::array<std::byte, 4> address{};
    const std::array<std::byte, 300> body{};
    for (std::int64_t i = 0; i < kMessages; ++i) {
      format::MessageView message;
      message.topic = "Orders";
      message.body = body;
      message.born_host = message.store_host = {address, 1};
      ASSERT_TRUE((*store)->put(message).ok());
    }
    ASSERT_TRUE((*store)->close());
  }
  for (std::int64_t slot = 10; slot < kMessages; ++slot)
    remove_unit(files, {.queue_id = 0, .queue_offset = slot});
  auto store = engine::MessageStore::open(files, options);
  ASSERT_TRUE(store) << store.error().message();
  engine::GetOptions just_one;
  just_one.max_messages = 1;
  for (std::int64_t slot = 0; slot < kMessages; ++slot) {
    const auto got = (*store)->get("Orders", 0, slot, just_one);
    ASSERT_TRUE(got);
    ASSERT_EQ(got->messages.size(), 1U) << slot;
    const auto message = format::MessageView::parse(got->bytes);
    ASSERT_TRUE(message);
    ASSERT_EQ(message->queue_offset, slot);
  }
  ASSERT_TRUE((*store)->close());
}

}  // namespace
}  // namespace rmq::repair
