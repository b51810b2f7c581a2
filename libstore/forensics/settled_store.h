// A store as it was at one moment, while a broker goes on writing to it. What is settled is decided once, and
// everything later is hidden behind a ReadFileSystem: log bytes from `settled_to` on read as zeros, queue
// units and index entries that lead there as never written, state files as they were. So whoever judges a
// store that stands still can judge this one.
//
// RocketMQ dispatches the log in its order, each record to its queues and then to the index
// (ReputMessageService): once a queue holds a record, everything before that record is in queues and index.
// The newest unit of all queues is the mark; how far each queue is shown is looked for after it.
//
// What vanishes between the look and the reading (expiry, a deleted topic) reads as zeros, and is remembered.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "libstore/base/waiter.h"
#include "libstore/io/read_file_system.h"
#include "libstore/scan/store_survey.h"

namespace rmq::forensics {

class SettledStore final : public io::ReadFileSystem {
 public:
  struct Options {
    bool broker_runs = true;     // somebody holds the store: the abort file says nothing
    std::int64_t look_ms = 300;  // between the two looks that the mark comes from
  };

  // Looks at the store twice. `files` and `waiter` must outlive what it gives. Fails as survey_store does,
  // and with wrong_use on a single file.
  [[nodiscard]] static Result<std::unique_ptr<SettledStore>> look(const io::ReadFileSystem& files,
                                                                  const scan::StoreConfig& config,
                                                                  const Options& options, Waiter& waiter);
  ~SettledStore() override;

  // Without what is not settled: files behind the mark, and parts that change in place without one (timer
  // wheel and the like).
  [[nodiscard]] const scan::StoreSurvey& survey() const { return survey_; }
  [[nodiscard]] std::int64_t settled_to() const {
    return settled_to_;
  }  // log offset: the end of what is shown
  [[nodiscard]] std::int64_t log_end() const {
    return log_end_;
  }  // where the log ended when it was looked at

  [[nodiscard]] Result<std::unique_ptr<io::ReadFile>> open(const std::string& path) const override;
  [[nodiscard]] Result<std::vector<io::DirectoryEntry>> list(const std::string& directory) const override;
  [[nodiscard]] Result<io::DirectoryEntry> stat(const std::string& path) const override;

  // As StoreFile::shown. Files that were not there any more when they were to be read.
  [[nodiscard]] std::set<std::string> vanished() const;
  // Whether all queues of the topic begin before the mark and still end, up to it, as they did: they were
  // neither deleted nor made anew.
  [[nodiscard]] bool is_unchanged(const std::string& topic) const;
  // Whether there is such a file or directory now. `shown` as in a finding.
  [[nodiscard]] bool exists(const std::string& shown) const;

 private:
  class Look;
  class View;
  struct Limit;      // from where on a file is hidden
  struct QueueTail;  // the last unit that is shown

  SettledStore(const io::ReadFileSystem& files, const Options& options);
  void settle(const Look& before, Look& now);
  void limit_log();
  void limit_queues(const Look& now);
  void limit_index();
  // Where the log's files end now: what leads further leads nowhere. Asked after what was written was looked
  // at.
  [[nodiscard]] std::int64_t log_space_end() const;
  void keep_state(const Look& before, const Look& now);
  [[nodiscard]] const scan::StoreFile* find(const std::string& path) const;

  const io::ReadFileSystem& files_;
  const Options options_;
  scan::StoreSurvey survey_;
  bool quiet_ = false;  // nothing moved between the looks
  std::int64_t settled_to_ = 0;
  std::int64_t log_end_ = 0;
  std::unordered_map<std::string, std::unique_ptr<Limit>> limits_;  // by path
  std::unordered_map<std::string, std::vector<std::byte>> state_;   // by path
  std::unordered_map<std::string, std::vector<QueueTail>> tails_;   // by topic
  std::set<std::string> made_anew_;  // topics with a queue that begins behind the mark
  std::vector<const scan::StoreFile*> by_path_;
  mutable std::mutex mutex_;
  mutable std::set<std::string> vanished_;
};

}  // namespace rmq::forensics
