#include "simulator/engine/machine.h"

#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "hal/abi/gaudi/blocks.h"
#include "hal/abi/gaudi/dma_core.h"
#include "hal/abi/gaudi/mme.h"
#include "hal/abi/gaudi/qman.h"
#include "hal/abi/gaudi/queue_ids.h"
#include "hal/abi/gaudi/sync_manager.h"
#include "hal/abi/gaudi/tpc.h"
#include "hal/base/status_macros.h"
#include "simulator/engine/dma_engine.h"
#include "simulator/engine/mme_engine.h"
#include "simulator/engine/tpc_engine.h"

namespace openhpu::simulator {
namespace {

namespace abi = hal::abi::gaudi;
namespace sm = hal::abi::gaudi::sync_manager;

constexpr uint64_t kPicosecondsPerNanosecond = 1000;
constexpr AgentId kAgentsPerUnit = 6;  // an engine and five CPs

}  // namespace

absl::StatusOr<std::unique_ptr<Machine>> Machine::Create(const hal::Chip& chip,
                                                         const Options& options,
                                                         CompletionListener& completions) {
  if (chip.dialect() != "gaudi") {
    return absl::UnimplementedError(absl::StrCat("no model of the dialect ", chip.dialect()));
  }
  ASSIGN_OR_RETURN(std::unique_ptr<MachineMemory> memory, MachineMemory::Create(chip));
  std::unique_ptr<Machine> machine(new Machine);
  const SimulationContext::Door door(machine->context_);
  Environment& environment = machine->environment_;
  environment.timing = MakeTiming(chip, options.timed);
  environment.exact_arithmetic = options.exact_arithmetic;
  environment.memory = std::move(memory);
  const hal::AddressMap& map = chip.address_map();
  environment.dram_user_begin = DeviceAddress(map.dram_user_base().value());
  environment.dram_end = DeviceAddress(map.dram_base().value() + map.dram_bytes().value());
  environment.sram_user_begin =
      DeviceAddress(map.sram_base().value() + map.sram_reserved_bytes().value());
  environment.sram_end = DeviceAddress(map.sram_base().value() + map.sram_bytes().value());
  if (options.hazards) {
    const uint64_t units =
        chip.dma().count().value() + chip.mme().count().value() + chip.tpc().count().value();
    environment.hazards =
        std::make_unique<HazardChecker>(static_cast<uint32_t>(1 + kAgentsPerUnit * units));
  }
  machine->Build(chip, completions);
  // Elaboration ends with the first run.
  sc_core::sc_start(sc_core::SC_ZERO_TIME);
  return machine;
}

Machine::~Machine() {
  const SimulationContext::Door door(context_);
  units_.clear();
  sync_managers_.clear();
  injector_.reset();
  fabric_.reset();
  network_.reset();
}

void Machine::Build(const hal::Chip& chip, CompletionListener& completions) {
  chip_ = chip;
  registers_ =
      RegisterMap(chip.address_map().cfg_base().value(), chip.address_map().cfg_bytes().value());
  network_ = std::make_unique<MessageNetwork>("messages", environment_,
                                              static_cast<MessageTarget&>(*this));
  injector_ = std::make_unique<FaultInjector>("faults", static_cast<FaultTarget&>(*this));
  fabric_ = std::make_unique<Fabric>("fabric", environment_, chip);
  environment_.network = network_.get();
  environment_.fabric = fabric_.get();
  for (uint64_t i = 0; i < chip.sync().count().value(); ++i) {
    SyncManager::Config config;
    config.index = static_cast<int>(i);
    config.sobs = static_cast<uint32_t>(chip.sync().sobs().value());
    config.monitors = static_cast<uint32_t>(chip.sync().monitors().value());
    if (i == abi::kWestSouth) {
      config.first_user_sob = static_cast<uint32_t>(chip.sync().first_user_sob().value());
      config.first_user_monitor = static_cast<uint32_t>(chip.sync().first_user_monitor().value());
    }
    sync_managers_.push_back(
        std::make_unique<SyncManager>(absl::StrCat("sync", i).c_str(), environment_, config));
    const auto index = static_cast<uint16_t>(i);
    registers_.Add(abi::SyncManagerGlblBase(index), abi::kBlockBytes, RegisterBlock::kSyncGlobal,
                   index);
    registers_.Add(abi::SyncManagerObjsBase(index), abi::kSyncManagerObjsBytes,
                   RegisterBlock::kSyncObjects, index);
  }
  const auto agent = [this] { return static_cast<AgentId>(1 + kAgentsPerUnit * units_.size()); };
  const hal::Dma& dma = chip.dma();
  for (uint32_t i = 0; i < dma.count().value(); ++i) {
    Engine::Config config;
    config.name = absl::StrCat("DMA", i);
    config.block = RegisterBlock::kDmaCore;
    config.base = abi::DmaCoreBase(static_cast<int>(i));
    config.slots = static_cast<uint32_t>(dma.shadow_descriptors().value());
    config.launch_register = abi::dma_core::COMMIT::kOffset;
    config.launch_bit = false;
    config.agent = agent();
    config.port = fabric_->AddPort(dma.bytes_per_cycle().value(), dma.clock_mhz().value(), i);
    const bool external = ((dma.host_facing_mask().value() >> i) & 1) != 0;
    AddUnit(
        std::make_unique<DmaEngine>(config.name.c_str(), environment_, config,
                                    dma.bytes_per_cycle().value(),
                                    dma.transpose_bytes_per_cycle().value()),
        abi::DmaQmanBase(static_cast<int>(i)),
        external ? chip.qman().pq_entries_external().value() : chip.qman().pq_entries_dma().value(),
        external, completions);
  }
  dmas_ = units_.size();
  const hal::Mme& mme = chip.mme();
  for (uint32_t i = 0; i < mme.count().value(); ++i) {
    Engine::Config config;
    config.name = absl::StrCat("MME", i);
    config.block = RegisterBlock::kMme;
    config.base = abi::MmeCtrlBase(abi::MmeMaster(static_cast<int>(i)));
    config.slots = static_cast<uint32_t>(mme.shadow_descriptors().value());
    config.launch_register = abi::mme::CMD::kOffset;
    config.agent = agent();
    config.port = fabric_->AddPort(mme.bytes_per_cycle().value(), mme.clock_mhz().value(), i);
    AddUnit(std::make_unique<MmeEngine>(config.name.c_str(), environment_, config),
            abi::MmeQmanBase(abi::MmeMaster(static_cast<int>(i))),
            chip.qman().pq_entries_compute().value(), false, completions);
  }
  mmes_ = units_.size() - dmas_;
  const hal::Tpc& tpc = chip.tpc();
  kernels_ = std::make_unique<KernelStore>(environment_, chip.name());
  for (uint32_t i = 0; i < tpc.count().value(); ++i) {
    Engine::Config config;
    config.name = absl::StrCat("TPC", i);
    config.block = RegisterBlock::kTpc;
    config.base = abi::TpcCfgBase(static_cast<int>(i));
    config.slots = 2;  // the running box and the one latched behind it
    config.launch_register = abi::tpc::TPC_EXECUTE::kOffset;
    config.agent = agent();
    config.port = fabric_->AddPort(tpc.bytes_per_cycle().value(), tpc.clock_mhz().value(), i);
    AddUnit(std::make_unique<TpcEngine>(config.name.c_str(), environment_, config, *kernels_),
            abi::TpcQmanBase(static_cast<int>(i)), chip.qman().pq_entries_compute().value(), false,
            completions);
  }
  AddIdleBlocks();
}

void Machine::AddUnit(std::unique_ptr<Engine> engine, uint64_t qman_base, uint64_t entries,
                      bool external, CompletionListener& completions) {
  QueueManager::Config config;
  config.name = engine->config().name;
  config.base = qman_base;
  config.entries = static_cast<uint32_t>(entries);
  config.external = external;
  config.linear_dma = engine->config().block == RegisterBlock::kDmaCore;
  config.first_agent = engine->config().agent + 1;
  const auto bases = [&](int manager, uint64_t* monitors, uint64_t* sobs) {
    *monitors = abi::SyncManagerObjsBase(manager) + sm::MON_PAY_ADDRL::kOffset;
    *sobs = abi::SyncManagerObjsBase(manager) + sm::SOB_OBJ::kOffset;
  };
  bases(static_cast<int>(chip_.sync().user_manager().value()), &config.message_bases[0],
        &config.message_bases[1]);
  // The kernel driver's own manager, for the queues that it uses.
  if (config.name == "DMA0" || config.name == "DMA1" || config.name == "DMA5" ||
      config.name == "TPC7") {
    bases(abi::kWestSouth, &config.message_bases[2], &config.message_bases[3]);
  }
  EngineUnit unit;
  unit.queue = std::make_unique<QueueManager>(absl::StrCat(config.name, "_queues").c_str(),
                                              environment_, config, *engine, completions);
  unit.engine = std::move(engine);
  const auto index = static_cast<uint16_t>(units_.size());
  registers_.Add(qman_base, abi::kBlockBytes, RegisterBlock::kQueueManager, index);
  registers_.Add(unit.engine->config().base, abi::kBlockBytes, unit.engine->config().block, index);
  units_.push_back(std::move(unit));
}

void Machine::Deliver(const Message& message) {
  if (registers_.Holds(message.address)) {
    DeliverToRegister(message);
  } else {
    WriteMemory(message);
  }
}

void Machine::DeliverToRegister(const Message& message) {
  if (message.timestamp) {
    // A register takes what fits.
    Message time = message;
    time.timestamp = false;
    time.value = static_cast<uint32_t>(message.sent.value() / kPicosecondsPerNanosecond);
    DeliverToRegister(time);
    return;
  }
  const RegisterMap::Place place = registers_.Find(message.address);
  if (place.block == RegisterBlock::kSyncObjects) {
    sync_managers_[place.index]->Write(place.offset, message);
  } else if (place.block == RegisterBlock::kQueueManager && place.index < units_.size()) {
    units_[place.index].queue->Write(place.offset, message);
  } else {
    environment_.faults.Raise(hal::HealthEvent::Kind::kRazwi, message.origin,
                              absl::StrCat("write to address 0x", absl::Hex(message.address),
                                           " of the configuration space, which is not the user's"),
                              message.address);
  }
}

void Machine::WriteMemory(const Message& message) {
  const DeviceAddress address(message.address);
  const uint64_t bytes = message.timestamp ? sizeof(uint64_t) : sizeof(uint32_t);
  const absl::StatusOr<std::byte*> host = ResolveForUser(environment_, address, bytes);
  if (!host.ok()) {
    environment_.faults.Raise(hal::HealthEvent::Kind::kPageFault, message.origin,
                              absl::StrCat("message: ", std::string(host.status().message())),
                              message.address);
    return;
  }
  const uint64_t time = message.sent.value() / kPicosecondsPerNanosecond;
  std::memcpy(*host, message.timestamp ? static_cast<const void*>(&time) : &message.value, bytes);
  environment_.memory->Touch(address, bytes);
}

absl::StatusOr<Machine::Stream> Machine::FindStream(uint64_t queue_id) const {
  using Kind = abi::QueueTarget::Kind;
  const auto fail = [&](const std::string& why) {
    return absl::InvalidArgumentError(absl::StrCat("queue ", queue_id, ": ", why));
  };
  const abi::QueueTarget target = queue_id < abi::kNumQueues
                                      ? abi::TargetOf(static_cast<uint32_t>(queue_id))
                                      : abi::QueueTarget();
  const auto stream = [&](const char* name, size_t first, size_t count) -> absl::StatusOr<Stream> {
    if (target.engine >= count) return fail(absl::StrCat("the chip has ", count, " ", name));
    return Stream{units_[first + target.engine].queue.get(), static_cast<int>(target.stream)};
  };
  switch (target.kind) {
    case Kind::kDma:
      return stream("DMAs", 0, dmas_);
    case Kind::kMme:
      return stream("MMEs", dmas_, mmes_);
    case Kind::kTpc:
      return stream("TPCs", dmas_ + mmes_, units_.size() - dmas_ - mmes_);
    case Kind::kCpu:
      return fail("is the kernel driver's");
    case Kind::kNic:
      return fail("NICs are not modelled");
    case Kind::kNone:
      break;
  }
  return fail("there is no such queue");
}

std::string Machine::DescribeFence(const QueueManager& queue, int cp, int fence) const {
  const uint64_t address = queue.config().base + abi::qman::CpFenceRdata(fence, cp);
  std::string text;
  for (const auto& manager : sync_managers_) {
    for (uint32_t i = 0; i < manager->monitors().size(); ++i) {
      if (manager->monitors()[i].address != address) continue;
      absl::StrAppend(&text, text.empty() ? "; served by " : ", ", manager->DescribeMonitor(i));
    }
  }
  return text.empty() ? "; no monitor serves it" : text;
}

std::string Machine::DescribeStuck() const {
  std::string text;
  for (const EngineUnit& unit : units_) {
    const auto line = [&] { absl::StrAppend(&text, text.empty() ? "" : "\n"); };
    for (uint64_t submission : unit.queue->lost_completions()) {
      line();
      absl::StrAppend(&text, unit.queue->config().name, ": no completion of submission ",
                      submission, " was heard of");
    }
    if (unit.engine->hangs() && !unit.engine->idle()) {
      line();
      absl::StrAppend(&text, unit.engine->config().name, ": the command of ",
                      Describe(unit.engine->current()), " does not end");
    }
    for (int i = 0; i < abi::qman::kNumCps; ++i) {
      const CommandProcessor& cp = unit.queue->cp(i);
      const std::string why = cp.Stuck();
      if (why.empty()) continue;
      absl::StrAppend(&text, text.empty() ? "" : "\n", unit.queue->config().name, " stream ",
                      cp.origin().stream, i == abi::qman::kLowerCp ? " body " : " ", why);
      if (cp.blocked_fence() >= 0) {
        absl::StrAppend(&text, DescribeFence(*unit.queue, i, cp.blocked_fence()));
      }
    }
  }
  return text;
}

bool Machine::quiet() const {
  if (!network_->idle()) return false;
  for (const EngineUnit& unit : units_) {
    if (!unit.engine->idle()) return false;
    for (int i = 0; i < abi::qman::kNumCps; ++i) {
      if (unit.queue->cp(i).jobs() != 0) return false;
    }
  }
  return true;
}

void Machine::PruneHazards() {
  HazardChecker& hazards = *environment_.hazards;
  if (quiet()) {
    // Whatever starts now starts by the host.
    const VectorClock host = hazards.clock(kHostAgent);
    for (AgentId agent = 1; agent < 1 + kAgentsPerUnit * units_.size(); ++agent) {
      hazards.Acquire(agent, host);
    }
  }
  hazards.Prune();
}

void Machine::Reset() {
  network_->Clear();
  injector_->Clear();
  environment_.clock_permille = 1000;
  fabric_->Clear();
  for (auto& manager : sync_managers_) manager->Reset();
  for (EngineUnit& unit : units_) {
    unit.engine->Reset();
    unit.queue->Reset();
  }
  for (IdleBlock& idle : idle_blocks_) ResetRegisters(idle.block, idle.values);
  kernels_->Clear();
  if (environment_.hazards != nullptr) environment_.hazards->Clear();
  environment_.faults.Clear();
}

void Machine::SetTrace(TraceSink* sink) {
  environment_.trace = sink;
  if (sink == nullptr) return;
  for (EngineUnit& unit : units_) {
    for (int i = 0; i < abi::qman::kNumCps; ++i) unit.queue->cp(i).SetTrace();
  }
  for (EngineUnit& unit : units_) unit.engine->SetTrace();
  fabric_->SetTrace();
}

void Machine::ResetStatistics() {
  for (EngineUnit& unit : units_) {
    unit.engine->ResetStatistics();
    for (int i = 0; i < abi::qman::kNumCps; ++i) unit.queue->cp(i).ResetStatistics();
  }
  fabric_->ResetStatistics();
}

}  // namespace openhpu::simulator
