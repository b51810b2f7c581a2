// The bytes of a record's topic are damaged in the log, which no checksum of the body covers: where the
// queue's units prove what the topic was it comes back, and nothing is taken for a message of another topic.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "libstore/format/commit_log_record.h"
#include "libstore/format/mapped_file_name.h"
#include "libstore/repair/repair_apply.h"
#include "tests/recovery/damaged_store.h"

namespace rmq::repair {
namespace {

using recovery::kLogFile;
using recovery::Message;
using recovery::SimulatedFileSystem;

Applied repair(SimulatedFileSystem& files) {
  ApplyOptions options;
  options.config.root = "/store";
  options.config.index_slots = recovery::options().config.index_slots;
  options.config.index_entries = recovery::options().config.index_entries;
  options.now_ms = 1'700'000'000'000;
  return apply_repair(files, options);
}

// `text` over the topic of `message`, from its byte `skip` on.
void write_topic(SimulatedFileSystem& files, const Message& message, std::string_view text,
                 std::int64_t skip) {
  const std::int64_t file_start = message.log_offset / kLogFile * kLogFile;
  const std::string path = "/store/commitlog/" + format::mapped_file_name(file_start);
  std::vector<std::byte> record(static_cast<std::size_t>(message.size));
  const auto before = files.open(path);
  ASSERT_TRUE(before);
  ASSERT_TRUE((*before)->read_at(message.log_offset - file_start, record));
  const auto parsed = format::MessageView::parse(record);
  ASSERT_TRUE(parsed);
  const std::int64_t topic = parsed->topic.data() - as_text(record).data();
  auto file = files.open_for_write(path);
  ASSERT_TRUE(file);
  ASSERT_TRUE((*file)->write_at(message.log_offset - file_start + topic + skip, as_bytes(text)));
  ASSERT_TRUE((*file)->sync());
}

TEST(DamagedTopic, ComesBackWhereUnitsProveIt) {
  using namespace std::string_view_literals;
  for (const std::string_view text : {"0"sv, "\0\0\0\0"sv, "Crates"sv, "\xFF\xFE"sv}) {
    for (const std::size_t which :
         {std::size_t{0}, std::size_t{1}, std::size_t{30}, std::size_t{58}, std::size_t{59}}) {
      SimulatedFileSystem files(1);
      const std::vector<Message> messages = recovery::fill(files);
      write_topic(files, messages[which], text, 0);
      const Applied applied = repair(files);
      ASSERT_EQ(applied.fault, ApplyFault::none) << (applied.error ? applied.error->message() : "");
      EXPECT_EQ(applied.report.plan.recovery.mended, std::vector{messages[which].log_offset}) << which;
      EXPECT_TRUE(applied.report.plan.recovery.lost.empty()) << which;
      recovery::check(files, messages, {});
    }
  }
}

TEST(DamagedTopic, TwoOfOneQueue) {
  SimulatedFileSystem files(1);
  const std::vector<Message> messages = recovery::fill(files);
  write_topic(files, messages[20], "x", 0);
  write_topic(files, messages[24], "y", 3);
  const Applied applied = repair(files);
  ASSERT_EQ(applied.fault, ApplyFault::none) << (applied.error ? applied.error->message() : "");
  EXPECT_EQ(applied.report.plan.recovery.mended,
            (std::vector{messages[20].log_offset, messages[24].log_offset}));
  recovery::check(files, messages, {});
}

// The directory of a topic got another name of the same length: its units lead to records of a topic that has
// no queue, but those around them do so too. The records are right.
TEST(DamagedTopic, ARenamedDirectoryProvesNothing) {
  SimulatedFileSystem files(1);
  (void)recovery::fill(files);
  for (const std::string queue : {"0", "1"}) {
    const auto entries = files.list("/store/consumequeue/Orders/" + queue);
    ASSERT_TRUE(entries);
    ASSERT_TRUE(files.make_directories("/store/consumequeue/Others/" + queue));
    for (const auto& entry : *entries)
      ASSERT_TRUE(files.rename("/store/consumequeue/Orders/" + queue + "/" + entry.name,
                               "/store/consumequeue/Others/" + queue + "/" + entry.name));
  }
  files.remove_beneath("/store/consumequeue/Orders");
  const Applied applied = repair(files);
  ASSERT_EQ(applied.fault, ApplyFault::none) << (applied.error ? applied.error->message() : "");
  EXPECT_TRUE(applied.report.plan.recovery.mended.empty());
}

}  // namespace
}  // namespace rmq::repair
