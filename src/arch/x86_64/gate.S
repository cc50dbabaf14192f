/*
 * gate.S - where libc's rewritten `syscall` instructions arrive, and from where threads they made start
 *
 * gr_gate: jumped to (by a call) from a site's thunk; not a C function.
 *   rax: call number   rdi rsi rdx r10 r8 r9: arguments   rcx: address after the original syscall   rsp: 136 below the program's
 * Kept:     everything but rax, rcx, r11, as the kernel does: flags, vector registers and the red zone too
 * Frame:    struct gr_regs (arch.h): r15 r14 r13 r12 rbp rbx r9 r8 r10 rdx rsi rdi rax flags site thunk | red zone | program's stack
 * In step:  arch.h (struct gr_regs, GR_THUNK_RAW), thunk.c (thunks), arch.c (gr_frame_clone).  The .cfi lines say that the return
 *           address is the original site, so exceptions, cancellation and backtraces pass through as if the kernel were called there.
 */
#define RED_ZONE	128
#define THUNK_RAW	10
#define THUNK_AFTER	(THUNK_RAW + 2)		/* behind the thunk's own syscall instruction */
#define ARITHMETIC	0x8d5			/* flags: CF PF AF ZF SF OF, */
#define OF		0x800
#define DF		0x400
#define AC		0x40000
#define USUAL		0x202			/* and what the others are unless something special is going on */

	.text
	.globl	gr_gate
	.hidden	gr_gate
	.type	gr_gate, @function
	.p2align 4
gr_gate:
	.cfi_startproc simple
	.cfi_def_cfa rsp, RED_ZONE + 8
	.cfi_register rip, rcx
	.cfi_same_value rbx
	.cfi_same_value rbp
	.cfi_same_value r12
	.cfi_same_value r13
	.cfi_same_value r14
	.cfi_same_value r15
	pushq	%rcx
	.cfi_adjust_cfa_offset 8
	.cfi_offset rip, -(RED_ZONE + 16)
	/* No row in the table: straight to the kernel.  Nothing here changes the flags. */
	leaq	gr_gate_green(%rip), %rcx
	movzwl	%ax, %r11d
	movzbl	(%rcx,%r11), %ecx
	jrcxz	1f
	jmp	2f
1:	leaq	8(%rsp), %rsp
	.cfi_adjust_cfa_offset -8
	syscall
	ret
	.cfi_adjust_cfa_offset 8
2:	pushfq
	.cfi_adjust_cfa_offset 8
	/* Our code is compiled for a clear DF, and AC would go with us to another greenlet, since a switch keeps no flags. */
	testl	$(DF | AC), (%rsp)
	jz	3f
	pushq	$USUAL
	.cfi_adjust_cfa_offset 8
	popfq
	.cfi_adjust_cfa_offset -8
3:	pushq	%rax
	.cfi_adjust_cfa_offset 8
	pushq	%rdi
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset rdi, 0		/* vfork() keeps its return address there */
	pushq	%rsi
	.cfi_adjust_cfa_offset 8
	pushq	%rdx
	.cfi_adjust_cfa_offset 8
	pushq	%r10
	.cfi_adjust_cfa_offset 8
	pushq	%r8
	.cfi_adjust_cfa_offset 8
	pushq	%r9
	.cfi_adjust_cfa_offset 8
	pushq	%rbx
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset rbx, 0
	pushq	%rbp
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset rbp, 0
	pushq	%r12
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset r12, 0
	pushq	%r13
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset r13, 0
	pushq	%r14
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset r14, 0
	pushq	%r15
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset r15, 0
	movq	%rsp, %rdi
	movq	%rsp, %rbx
	.cfi_def_cfa rbx, RED_ZONE + 128
	andq	$-16, %rsp
	call	gr_gate_dispatch
	movq	%rbx, %rsp
	.cfi_def_cfa rsp, RED_ZONE + 128
	testq	%rdx, %rdx
	jnz	gr_gate_raw
	movq	%rax, 96(%rsp)
gr_gate_leave:
	popq	%r15
	.cfi_adjust_cfa_offset -8
	.cfi_same_value r15
	popq	%r14
	.cfi_adjust_cfa_offset -8
	.cfi_same_value r14
	popq	%r13
	.cfi_adjust_cfa_offset -8
	.cfi_same_value r13
	popq	%r12
	.cfi_adjust_cfa_offset -8
	.cfi_same_value r12
	popq	%rbp
	.cfi_adjust_cfa_offset -8
	.cfi_same_value rbp
	popq	%rbx
	.cfi_adjust_cfa_offset -8
	.cfi_same_value rbx
	popq	%r9
	.cfi_adjust_cfa_offset -8
	popq	%r8
	.cfi_adjust_cfa_offset -8
	popq	%r10
	.cfi_adjust_cfa_offset -8
	popq	%rdx
	.cfi_adjust_cfa_offset -8
	popq	%rsi
	.cfi_adjust_cfa_offset -8
	popq	%rdi
	.cfi_adjust_cfa_offset -8
	.cfi_same_value rdi
	/*
	 * popfq takes 20 cycles, as much as all else here, because it may set what only a debugger or the kernel ever changes.  Unless one of
	 * those is to be set, which none is but the fixed bit and the interrupt flag, an addition that overflows sets OF, and sahf the others.
	 */
	movl	8(%rsp), %ecx
	movl	%ecx, %eax
	andl	$~ARITHMETIC, %eax
	cmpl	$USUAL, %eax
	jne	5f
	movl	%ecx, %eax
	shll	$8, %eax
	andl	$OF, %ecx
	shll	$20, %ecx
	addl	%ecx, %ecx
	sahf
	popq	%rax
	.cfi_adjust_cfa_offset -8
	leaq	8(%rsp), %rsp
	.cfi_adjust_cfa_offset -8
	popq	%rcx
	.cfi_adjust_cfa_offset -8
	.cfi_remember_state
	.cfi_register rip, rcx
	ret
	.cfi_restore_state
	.cfi_adjust_cfa_offset 24
5:	popq	%rax
	.cfi_adjust_cfa_offset -8
	popfq
	.cfi_adjust_cfa_offset -8
	popq	%rcx
	.cfi_adjust_cfa_offset -8
	.cfi_register rip, rcx
	ret
	.cfi_endproc
	.size	gr_gate, . - gr_gate

/*
 * The raw way: every register as the program had it, rsp included, and on at the thunk's own syscall instruction.  What comes back,
 * in whichever process or on whichever stack, needs nothing from us.
 */
	.type	gr_gate_raw, @function
gr_gate_raw:
	.cfi_startproc simple
	.cfi_def_cfa rsp, RED_ZONE + 128
	.cfi_offset rip, -(RED_ZONE + 16)
	popq	%r15
	popq	%r14
	popq	%r13
	popq	%r12
	popq	%rbp
	popq	%rbx
	popq	%r9
	popq	%r8
	popq	%r10
	popq	%rdx
	popq	%rsi
	popq	%rdi
	popq	%rax
	popfq
	popq	%rcx
	popq	%r11
	leaq	RED_ZONE(%rsp), %rsp
	leaq	THUNK_RAW(%r11), %r11
	jmp	*%r11
	.cfi_endproc
	.size	gr_gate_raw, . - gr_gate_raw

/*
 * long gr_raw_clone_child(long nr, long a, long b, long c, long d, long e, const struct gr_regs *regs)
 *   rdi: SYS_clone or SYS_clone3   rsi rdx rcx r8 r9: arguments   on the stack: regs, of the call that asks for it
 * Returns the pid or -errno in the parent.  The child shares our memory and has a stack of its own; it leaves the gate as the program
 * made the call, with all of its registers but rsp, and 0 for an answer.  regs must stay until it has, so the parent parks above them.
 */
	.globl	gr_raw_clone_child
	.hidden	gr_raw_clone_child
	.type	gr_raw_clone_child, @function
	.p2align 4
gr_raw_clone_child:
	.cfi_startproc
	pushq	%rbx
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset rbx, 0
	movq	16(%rsp), %rbx
	movq	%rdi, %rax
	movq	%rsi, %rdi
	movq	%rdx, %rsi
	movq	%rcx, %rdx
	movq	%r8, %r10
	movq	%r9, %r8
	syscall
	testq	%rax, %rax
	jz	1f
	popq	%rbx
	.cfi_adjust_cfa_offset -8
	.cfi_same_value rbx
	ret
1:	.cfi_undefined rip
	movq	0(%rbx), %r15
	movq	8(%rbx), %r14
	movq	16(%rbx), %r13
	movq	24(%rbx), %r12
	movq	32(%rbx), %rbp
	movq	48(%rbx), %r9
	movq	56(%rbx), %r8
	movq	64(%rbx), %r10
	movq	72(%rbx), %rdx
	movq	80(%rbx), %rsi
	movq	88(%rbx), %rdi
	pushq	104(%rbx)
	popfq
	movq	120(%rbx), %r11
	leaq	THUNK_AFTER(%r11), %r11
	movq	40(%rbx), %rbx
	jmp	*%r11
	.cfi_endproc
	.size	gr_raw_clone_child, . - gr_raw_clone_child

/*
 * First frame of a thread made by clone: gr_switch() arrives with rsp at a copy of the creator's struct gr_regs, placed so that
 * leaving the gate ends with the stack pointer the creator asked for.  rbx: function to call first.
 */
	.globl	gr_clone_start
	.hidden	gr_clone_start
	.type	gr_clone_start, @function
gr_clone_start:
	.cfi_startproc
	.cfi_undefined rip
	call	*%rbx
	jmp	gr_gate_leave
	.cfi_endproc
	.size	gr_clone_start, . - gr_clone_start

/*
 * int gr_user_copy(void *to, const void *from, size_t n): 0, or 1 after a fault (signal.c sees the faulting address of the
 * instruction between begin and end and goes on at fault).  Four bytes, a futex word, are loaded at once, and so are eight.
 */
	.globl	gr_user_copy, gr_user_copy_begin, gr_user_copy_end, gr_user_copy_fault
	.hidden	gr_user_copy, gr_user_copy_begin, gr_user_copy_end, gr_user_copy_fault
	.type	gr_user_copy, @function
	.p2align 4
gr_user_copy:
	.cfi_startproc
	movq	%rdx, %rcx
	cmpq	$8, %rdx
	je	8f
	cmpq	$4, %rdx
	jne	1f
gr_user_copy_begin:
	movl	(%rsi), %eax
	movl	%eax, (%rdi)
	xorl	%eax, %eax
	ret
8:	movq	(%rsi), %rax
	movq	%rax, (%rdi)
	xorl	%eax, %eax
	ret
1:	rep movsb
	xorl	%eax, %eax
	ret
	.cfi_endproc
	.size	gr_user_copy, . - gr_user_copy

/* int gr_user_touch(uint32_t *word): written as it is; 0, or 1 after a fault as above */
	.globl	gr_user_touch
	.hidden	gr_user_touch
	.type	gr_user_touch, @function
gr_user_touch:
	.cfi_startproc
	lock orl $0, (%rdi)
	xorl	%eax, %eax
gr_user_copy_end:
	ret
gr_user_copy_fault:
	movl	$1, %eax
	ret
	.cfi_endproc
	.size	gr_user_touch, . - gr_user_touch

/* The signal return of our own handlers: exactly the instructions that unwinders and debuggers know it by. */
	.globl	gr_restorer
	.hidden	gr_restorer
	.type	gr_restorer, @function
	.p2align 4
	nop
gr_restorer:
	movq	$15, %rax
	syscall
	.size	gr_restorer, . - gr_restorer

	.section .note.GNU-stack,"",@progbits
