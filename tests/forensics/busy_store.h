// A store that is written to while a test reads it: a writer that lays records down as a broker does (rolling
// files, making them in advance, letting them expire, deleting topics), a clock that runs it, and files that
// do so on every read.
#pragma once

#include <cstdint>
#include <deque>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "libstore/base/waiter.h"
#include "libstore/format/mapped_file_name.h"
#include "libstore/io/read_file_system.h"
#include "libstore/testing/store_builder.h"
#include "tests/scan/oracle_store.h"

namespace rmq::forensics {

class BusyStore {
 public:
  static constexpr std::int64_t kLogFileSize = 16 << 10;
  static constexpr std::int64_t kQueueFileSize = 400;  // twenty units

  BusyStore() {
    options_.root = (directory_.path() / "store").string();
    options_.log_file_size = kLogFileSize;
    options_.queue_file_size = kQueueFileSize;
    options_.index_slots = 7;
    options_.index_entries = 60;
    builder_ = std::make_unique<testing::StoreBuilder>(options_);
  }

  [[nodiscard]] const std::string& root() const { return options_.root; }
  [[nodiscard]] std::int64_t end() const { return builder_->end(); }
  [[nodiscard]] const std::vector<std::int64_t>& offsets() const { return offsets_; }

  std::int64_t put_without_keys() { return put("Topic", 0, 50, false); }
  std::int64_t put(const std::string& topic = "Topic", std::int32_t queue = 0, std::size_t body = 50,
                   bool keys = true) {
    format::MessageRecord record;
    record.topic = topic;
    record.queue_id = queue;
    record.store_timestamp = record.born_timestamp = 1'700'000'000'000 + next_ * 100;
    record.store_port = record.born_port = 10911;
    record.properties = "TAGS\x01T\x02";
    if (keys) {
      record.properties +=
          "KEYS\x01k" + std::to_string(next_ / 2) + "\x02UNIQ_KEY\x01u" + std::to_string(next_) + "\x02";
    }
    record.body.assign(body, static_cast<std::byte>(0x41 + next_ % 20));
    ++next_;
    offsets_.push_back(builder_->put(record));
    return offsets_.back();
  }
  void put_many(int count) {
    for (int i = 0; i < count; ++i) put("Topic", i % 2);
  }

  [[nodiscard]] std::string log_file(std::int64_t offset) const {
    return root() + "/commitlog/" + format::mapped_file_name(offset / kLogFileSize * kLogFileSize);
  }
  // The file behind the one that is written to, as AllocateMappedFileService makes it.
  void make_next_file() {
    const std::string path = log_file(end() + kLogFileSize);
    if (!std::filesystem::exists(path)) testing::WritableMap map(path, kLogFileSize);
  }
  // All files in front of the last `keep` of the log, and the queue files that lead only there.
  void expire(std::int64_t keep) {
    const std::int64_t begin = std::max<std::int64_t>(end() / kLogFileSize - keep + 1, 0) * kLogFileSize;
    for (const auto& entry : std::filesystem::directory_iterator(root() + "/commitlog")) {
      if (format::parse_mapped_file_name(entry.path().filename().string()).value_or(begin) < begin)
        std::filesystem::remove(entry);
    }
  }
  void write_state(const std::string& name, const std::string& text) {
    std::filesystem::create_directories(std::filesystem::path(root() + "/" + name).parent_path());
    std::ofstream(root() + "/" + name, std::ios::binary) << text;
  }
  // Flips bits in a byte of a file.
  void damage(const std::string& path, std::int64_t position, char mask = 0x55) {
    std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
    file.seekg(position);
    const char was = static_cast<char>(file.get());
    file.seekp(position);
    file.put(static_cast<char>(was ^ mask));
  }

 private:
  testing::TestDirectory directory_;
  testing::StoreBuilderOptions options_;
  std::unique_ptr<testing::StoreBuilder> builder_;
  std::vector<std::int64_t> offsets_;
  std::int64_t next_ = 0;
};

// Time passes only where somebody waits; and then something happens.
class ScriptedWaiter final : public Waiter {
 public:
  std::function<void(int)> happens;  // given how often was waited before
  int waits = 0;

  [[nodiscard]] std::int64_t now_ms() const override { return now_; }
  void wait_ms(std::int64_t milliseconds) override {
    now_ += milliseconds;
    if (happens) happens(waits);
    ++waits;
  }

 private:
  std::int64_t now_ = 0;
};

// Another file system, where something happens whenever a file is opened or read, or a directory listed. For
// one thread.
class BusyFiles final : public io::ReadFileSystem {
 public:
  explicit BusyFiles(const io::ReadFileSystem& files) : files_(files) {}
  std::function<void(int)> happens;
  // What is read may be made to look otherwise, by its position in the file.
  std::function<void(std::int64_t, std::span<std::byte>)> alters;

  [[nodiscard]] Result<std::unique_ptr<io::ReadFile>> open(const std::string& path) const override {
    step();
    auto file = files_.open(path);
    if (!file) return file;
    return std::unique_ptr<io::ReadFile>(new File(*this, *std::move(file)));
  }
  [[nodiscard]] Result<std::vector<io::DirectoryEntry>> list(const std::string& directory) const override {
    step();
    return files_.list(directory);
  }
  [[nodiscard]] Result<io::DirectoryEntry> stat(const std::string& path) const override {
    return files_.stat(path);
  }

 private:
  class File final : public io::ReadFile {
   public:
    File(const BusyFiles& files, std::unique_ptr<io::ReadFile> file)
        : files_(files), file_(std::move(file)) {}
    [[nodiscard]] Result<std::size_t> read_at(std::int64_t position,
                                              std::span<std::byte> out) const override {
      files_.step();
      auto got = file_->read_at(position, out);
      if (got && files_.alters) files_.alters(position, out.first(*got));
      return got;
    }
    [[nodiscard]] std::int64_t size() const override { return file_->size(); }
    [[nodiscard]] std::int64_t next_data(std::int64_t position) const override {
      return file_->next_data(position);
    }
    [[nodiscard]] std::int64_t next_hole(std::int64_t position) const override {
      return file_->next_hole(position);
    }

   private:
    const BusyFiles& files_;
    std::unique_ptr<io::ReadFile> file_;
  };

  void step() const {
    if (happens) happens(steps_++);
  }

  const io::ReadFileSystem& files_;
  mutable int steps_ = 0;
};

}  // namespace rmq::forensics
