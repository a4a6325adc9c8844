document.documentElement.classList.add("js");
document.addEventListener("input", (event) => {
  const slider = event.target.closest(".slider");
  if (slider) slider.style.setProperty("--at", event.target.value + "%");
});
