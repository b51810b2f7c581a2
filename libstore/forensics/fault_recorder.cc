#include "libstore/forensics/fault_recorder.h"

#include <algorithm>
#include <utility>

namespace rmq::forensics {

class FaultRecorder::File final : public io::ReadFile {
 public:
  File(const FaultRecorder& recorder, std::string path, std::unique_ptr<io::ReadFile> file)
      : recorder_(recorder), path_(std::move(path)), file_(std::move(file)) {}

  Result<std::size_t> read_at(std::int64_t position, std::span<std::byte> out) const override {
    auto got = file_->read_at(position, out);
    if (!got) {
      recorder_.note(path_, got.error());
    } else if (const auto there = std::clamp<std::int64_t>(file_->size() - position, 0, std::ssize(out));
               static_cast<std::int64_t>(*got) < there) {
      recorder_.note(path_, {ErrorCode::io_error, 0,
                             path_ + " ends before byte " + std::to_string(position + there) +
                                 ": somebody has cut it since it was opened"});
    }
    return got;
  }
  std::span<const std::byte> view(std::int64_t position, std::int64_t length) const override {
    return file_->view(position, length);
  }
  bool view_failed() const override {
    if (!file_->view_failed()) return false;
    recorder_.note(
        path_,
        {ErrorCode::io_error, 0,
         path_ + ": bytes could not be read when they were looked at: somebody has cut it since it was "
                 "opened, or its disk fails"});
    return true;
  }
  std::int64_t size() const override { return file_->size(); }
  std::int64_t next_data(std::int64_t position) const override { return file_->next_data(position); }
  std::int64_t next_hole(std::int64_t position) const override { return file_->next_hole(position); }

 private:
  const FaultRecorder& recorder_;
  std::string path_;
  std::unique_ptr<io::ReadFile> file_;
};

Result<std::unique_ptr<io::ReadFile>> FaultRecorder::open(const std::string& path) const {
  auto file = files_.open(path);
  if (!file) {
    note(path, file.error());
    return file;
  }
  return std::unique_ptr<io::ReadFile>(new File(*this, path, *std::move(file)));
}

Result<std::vector<io::DirectoryEntry>> FaultRecorder::list(const std::string& directory) const {
  auto entries = files_.list(directory);
  if (!entries) note(directory, entries.error());
  return entries;
}

Result<io::DirectoryEntry> FaultRecorder::stat(const std::string& path) const { return files_.stat(path); }

std::vector<std::string> FaultRecorder::faults() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> sorted = faults_;
  std::ranges::sort(sorted);
  return sorted;
}

// What is not there was not refused; and one sentence a file is enough, however many of its pages are bad.
void FaultRecorder::note(const std::string& path, const Error& error) const {
  if (error.code != ErrorCode::io_error && error.code != ErrorCode::permission_denied) return;
  const std::lock_guard lock(mutex_);
  if (faults_.size() < kMaxFaults && paths_.insert(path).second) faults_.push_back(error.message());
}

}  // namespace rmq::forensics
