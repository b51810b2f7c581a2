#include "tests/recovery/damaged_store.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "libstore/forensics/verify.h"
#include "libstore/format/mapped_file_name.h"

namespace rmq::recovery {

using engine::MessageStore;

engine::StoreOptions options() {
  engine::StoreOptions all;
  all.config.root = "/store";
  all.config.commit_log_file_size = kLogFile;
  all.config.consume_queue_file_size = 20 * 8;
  all.config.index_slots = 16;
  all.config.index_entries = 40;
  all.check = Depth::full;
  all.background = false;
  all.jobs = 1;
  return all;
}

std::vector<Message> fill(SimulatedFileSystem& files) {
  auto store = MessageStore::open(files, options());
  EXPECT_TRUE(store) << store.error().message();
  std::vector<Message> messages;
  for (int i = 0; i < kMessages; ++i) {
    const std::string body(static_cast<std::size_t>(200 + i), static_cast<char>('a' + i % 26));
    const std::string properties = "TAGS\1t\2UNIQ_KEY\1u" + std::to_string(i) + "\2";
    const std::array<std::byte, 4> address{};
    format::MessageView message;
    message.topic = "Orders";
    message.queue_id = i % 2;
    message.body = as_bytes(body);
    message.properties = properties;
    message.born_host = message.store_host = {address, 1};
    const engine::PutResult put = (*store)->put(message);
    EXPECT_TRUE(put.ok());
    messages.push_back({i % 2, put.queue_offset, put.log_offset, put.size});
  }
  EXPECT_TRUE((*store)->close());
  return messages;
}

namespace {

void overwrite(SimulatedFileSystem& files, const std::string& path, std::int64_t position, std::size_t count,
               std::byte with) {
  auto file = files.open_for_write(path);
  ASSERT_TRUE(file) << path;
  ASSERT_TRUE((*file)->write_at(position, std::vector<std::byte>(count, with)));
  ASSERT_TRUE((*file)->sync());
}

std::string log_file(std::int64_t number) {
  return "/store/commitlog/" + format::mapped_file_name(number * kLogFile);
}

std::vector<std::string> files_in(const SimulatedFileSystem& files, const std::string& directory) {
  std::vector<std::string> names;
  if (const auto entries = files.list(directory))
    for (const auto& entry : *entries) names.push_back(entry.name);
  return names;
}

}  // namespace

const std::vector<Scene>& scenes() {
  static const std::vector<Scene> all{
      {"bytes in the middle of the log",
       [](SimulatedFileSystem& files, const std::vector<Message>& messages) {
         const Message& one = messages[5];
         overwrite(files, log_file(0), one.log_offset, static_cast<std::size_t>(one.size), std::byte{0x55});
         return std::vector<std::size_t>{5};
       }},
      {"the magic of one record",
       [](SimulatedFileSystem& files, const std::vector<Message>& messages) {
         overwrite(files, log_file(0), messages[7].log_offset + 4, 4, std::byte{0});
         return std::vector<std::size_t>{};
       }},
      {"two files swapped",
       [](SimulatedFileSystem& files, const std::vector<Message>&) {
         EXPECT_TRUE(files.rename(log_file(0), "/store/x"));
         EXPECT_TRUE(files.rename(log_file(1), log_file(0)));
         EXPECT_TRUE(files.rename("/store/x", log_file(1)));
         return std::vector<std::size_t>{};
       }},
      {"a file of another length",
       [](SimulatedFileSystem& files, const std::vector<Message>&) {
         const auto file = files.open(log_file(0));
         std::vector<std::byte> bytes(static_cast<std::size_t>(kLogFile));
         EXPECT_TRUE((*file)->read_at(0, bytes));
         EXPECT_TRUE(files.remove(log_file(0)));
         bytes.resize(bytes.size() + 100);
         EXPECT_TRUE(files.create(log_file(0), std::ssize(bytes), bytes));
         return std::vector<std::size_t>{};
       }},
      {"a file in the middle missing",
       [](SimulatedFileSystem& files, const std::vector<Message>& messages) {
         EXPECT_TRUE(files.remove(log_file(1)));
         std::vector<std::size_t> gone;
         for (std::size_t i = 0; i < messages.size(); ++i)
           if (messages[i].log_offset / kLogFile == 1) gone.push_back(i);
         return gone;
       }},
      {"units of a queue, and the index",
       [](SimulatedFileSystem& files, const std::vector<Message>&) {
         overwrite(files, "/store/consumequeue/Orders/0/" + format::mapped_file_name(0), 60, 40,
                   std::byte{0});
         const auto index = files_in(files, "/store/index");
         EXPECT_GE(index.size(), 2U);
         overwrite(files, "/store/index/" + index.front(), 40 + 16 * 4 + 20 * 3, 20, std::byte{0x11});
         return std::vector<std::size_t>{};
       }},
  };
  return all;
}

void check(SimulatedFileSystem& files, const std::vector<Message>& messages,
           const std::vector<std::size_t>& gone) {
  auto store = MessageStore::open(files, options());
  ASSERT_TRUE(store) << store.error().message();
  for (std::size_t i = 0; i < messages.size(); ++i) {
    const Message& one = messages[i];
    engine::GetOptions just_one;
    just_one.max_messages = 1;
    const auto got = (*store)->get("Orders", one.queue_id, one.queue_offset, just_one);
    ASSERT_TRUE(got);
    ASSERT_EQ(got->messages.size(), 1U) << "message " << i;
    const auto message = format::MessageView::parse(got->bytes);
    ASSERT_TRUE(message);
    const bool is_gone = std::ranges::find(gone, i) != gone.end();
    EXPECT_EQ(message->queue_offset, one.queue_offset);
    EXPECT_EQ(message->body.empty(), is_gone) << "message " << i;
    if (is_gone) continue;
    EXPECT_EQ(message->physical_offset, one.log_offset);
    const auto found = (*store)->query("Orders", "u" + std::to_string(i));
    ASSERT_TRUE(found);
    EXPECT_EQ(*found, std::vector<std::int64_t>{one.log_offset}) << "key of message " << i;
  }
  EXPECT_EQ((*store)->max_offset("Orders", 0), kMessages / 2);
  ASSERT_TRUE((*store)->close());
  scan::StoreConfig config;
  config.root = "/store";
  const auto survey = scan::survey_store(files, config);
  ASSERT_TRUE(survey);
  forensics::VerifyOptions verify;
  verify.level = forensics::VerifyLevel::paranoid;
  const auto summary = forensics::run_verify(files, *survey, verify, [](const forensics::Finding& finding) {
    if (finding.severity != forensics::Severity::benign)
      ADD_FAILURE() << finding.code << ' ' << finding.file << ' ' << finding.message;
  });
  EXPECT_TRUE(summary.clean);
}

}  // namespace rmq::recovery
